"""The command that fills the page: the event log taken over into the serving store, and scored."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, Config, Log, Quiet, StoreUrl, Var, now_us, parse_time, store_url, workspace_of
from commands.store.store import chain_of, join_ledgers, rescore
from console import Screen
from data.contract import US_PER_DAY, DataError

if TYPE_CHECKING:
    from data.log.eventlog import EventLog
    from serving.store.publication.publication import Published
    from training.registry.registered import Registered

OLD = 3
"""Days after which it is told that a log has ended: what was done since is unknown."""


def publish(
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    store: StoreUrl = None,
    as_of: Annotated[str | None, typer.Option(help="score as of this moment; default: now")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Take the event log over into the serving store. And score it: the page is full; a server may run beside it."""
    from serving.store.store import open_store

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    moment = None if as_of is None else parse_time(as_of)
    events, champion = workspace.event_log(), workspace.champion()
    _check_columns(events, champion)
    with open_store(store_url(var, store)) as opened:
        join_ledgers(opened, workspace.log_path)
        with screen.progress("publishing the event log") as step:
            done = opened.publication.run(events, now_us(), step)
        _tell(screen, done)
        if moment is None:
            _tell_age(screen, events)
        scored = rescore(screen, opened, champion, moment, events.digest, chain_of(workspace))
        if not opened.accounts.list():
            screen.tell("nobody has an account for the page yet: leadscore users add NAME editor")
    screen.result({**asdict(done), "scoring": scored})


def _check_columns(log: EventLog, champion: Registered) -> None:
    """Raises DataError for a profile column that the model reads and the store would not keep: it would guess."""
    from features.kinds import Profile, ProfileNumber
    from serving.scoring.scorer import Scorer
    from serving.store.publication.published_profiles import ProfileColumns
    from serving.trees.predictor import Predictor

    refused = ProfileColumns.of(log.profile_columns).refused
    for definition in Scorer(Predictor.of(champion)).catalogue:
        if isinstance(definition, Profile | ProfileNumber) and definition.column in refused:
            raise DataError(
                f"the model reads profile column {definition.column!r}, which the store does not keep: "
                f"{refused[definition.column]}. Leave it out: [features] drop = [{definition.name!r}], and train again"
            )


def _tell(screen: Screen, done: Published) -> None:
    from features.numbers_in_words import number

    screen.tell(
        f"{number(done.leads)} leads of the event log, {number(done.changed)} of them changed: {number(done.events)} "
        f"events and {number(done.profiles)} profiles put in, {number(done.removed)} events taken out"
    )
    if done.withheld:
        screen.tell(f"{number(done.withheld)} leads left out: erased, or they object")
    if done.kept:
        screen.tell(
            f"{number(done.kept)} rows stay as services sent them, which the event log does not know yet; "
            "`leadscore ingest --store` takes them in, then publish again"
        )
    for column, reason in done.refused.items():
        screen.tell(f"profile column {column!r} is left out: {reason}")
    for column, count in done.unknown.items():
        screen.tell(
            f"profile column {column!r}: {number(count)} values are no attribute, or an e-mail address; left out"
        )


def _tell_age(screen: Screen, log: EventLog) -> None:
    from features.numbers_in_words import number
    from training.facts import day

    days = (now_us() - log.observed_until_us) // US_PER_DAY
    if days >= OLD:
        screen.tell(
            f"the event log ends on {day(log.observed_until_us)}, {number(days)} days ago; scores are as of now: "
            f"ingest what is newer, or score as of then with --as-of"
        )
