"""The command that tells why a lead had the score that it had."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from commands.options import VAR, AsJson, Config, Log, StoreUrl, Var, parse_time, store_url, workspace_of
from console import Screen
from data.contract import US_PER_DAY, DataError
from data.ids import NoId, required_id

if TYPE_CHECKING:
    from data.histories import Histories
    from data.typed_json import JsonObject
    from serving.scoring.scored_again import Change, ScoredAgain
    from serving.sentences.telling import Telling
    from serving.store.scores.scores import ScoreRecord
    from training.registry.registered import Registered
    from workspace import Workspace


def explain(
    lead: Annotated[str, typer.Argument(help="id of the lead")],
    as_of: Annotated[
        str | None, typer.Option(help="a day, or a moment: the newest score until then; default: the newest")
    ] = None,
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    store: StoreUrl = None,
    language: Annotated[Literal["en", "de"], typer.Option(help="of reasons and sentences")] = "en",
    as_json: AsJson = False,
) -> None:
    """Tell why a lead has, or had, its score, from log and model."""
    from serving.http.time_zone import local
    from serving.scoring.reason_wording import reasons_of
    from serving.scoring.scored_again import score_again
    from serving.scoring.scorer import Scorer
    from serving.sentences.telling import Telling
    from serving.trees.predictor import Predictor

    screen, workspace, lead = Screen(as_json=as_json), workspace_of(var, config, log), _id(lead)
    events, until = workspace.event_log(), None if as_of is None else _until(as_of)
    _check_told(workspace, lead)
    stored = _stored(workspace, lead, until, var, store)
    moment = stored.as_of if stored else until or events.observed_until_us + 1
    history = events.find(lead)
    _check_known(lead, history, moment)
    scorer = Scorer(Predictor.of(_artifact(workspace, stored)))
    again = score_again(scorer, history, moment, stored.probability if stored else None)
    telling = Telling(language, moment, partial(local, zone=ZoneInfo(workspace.settings.time_zone)))
    reasons = reasons_of(again.reasons, scorer, telling)
    keys = events.keys(lead)
    changes = [_told(change, keys, telling) for change in again.changes]
    for line in _lines(lead, again, stored, moment, telling, changes):
        screen.tell(line)
    for sign, side in (("+", reasons.speaks_for), ("-", reasons.speaks_against)):
        for reason in side:
            screen.tell(f"    {sign} {reason.words}")
    screen.result(_result(lead, again, stored, moment, reasons, changes))


def _id(lead: str) -> str:
    try:
        return required_id(lead)
    except NoId as error:
        raise DataError(f"lead {lead!r} {error}") from None


def _until(text: str) -> int:
    """The moment that is meant, µs UTC; of a day its end."""
    return parse_time(text) + (US_PER_DAY - 1 if ":" not in text else 0)


def _check_told(workspace: Workspace, lead: str) -> None:
    """Raises DataError for a lead of which nothing may be told."""
    from data.erasure.ledger import Ledger

    if Ledger.beside(workspace.log_path).known().withheld([lead]):
        raise DataError(f"lead {lead!r} objects to being scored, or was erased; nothing is told of it")


def _check_known(lead: str, history: Histories, moment: int) -> None:
    """Raises DataError for a lead of which nothing was known at a moment."""
    first = [*history.known_at[:1].tolist(), *history.profiles.valid_from[:1].tolist()]
    if not any(at <= moment for at in first):
        raise DataError(f"lead {lead!r} was not known yet then; take a later --as-of")


def _stored(workspace: Workspace, lead: str, until: int | None, var: Path, store: str | None) -> ScoreRecord | None:
    """The newest stored score until a moment (µs UTC), None where there is no such score or no store."""
    from serving.store.store import open_store

    if store is None and not (var / "store.db").exists():
        return None
    with open_store(store_url(var, store)) as opened:
        given = [score for score in opened.scores.history(lead) if score.target == workspace.settings.target]
    given = [score for score in given if until is None or score.as_of <= until]
    return max(given, key=lambda score: score.as_of, default=None)


def _artifact(workspace: Workspace, stored: ScoreRecord | None) -> Registered:
    """The model that gave a score, else the champion. Raises DataError where it is gone, or another one by now."""
    if stored is None:
        return workspace.champion()
    model = workspace.registry.get(workspace.model_name, stored.model_version)
    if model is None:
        raise DataError(
            f"version {stored.model_version} of {workspace.model_name}, which gave the score, is not in "
            f"{workspace.registry.address} any more; without it the score cannot be made again"
        )
    if model.digest != stored.model_digest:
        raise DataError(
            f"version {stored.model_version} of {workspace.model_name} in {workspace.registry.address} is not the one "
            f"that gave the score (digest {stored.model_digest[:12]}, there {model.digest[:12]}); name the workspace "
            "in which it was trained by --var"
        )
    return model


def _lines(
    lead: str, again: ScoredAgain, stored: ScoreRecord | None, moment: int, telling: Telling, changes: list[str]
) -> list[str]:
    from features.dates import minute
    from features.numbers_in_words import percent

    day = minute(telling.local(moment), telling.language)
    if stored is None:
        said = telling.t("no_stored", percent=percent(again.probability, 1, telling.language))
        return [f"{lead}, {day}: {said}"]
    given = percent(stored.probability, 1, telling.language)
    head = f"{lead}, {day}: {telling.t('scored_then', percent=given, version=stored.model_version)}"
    if again.is_same:
        return [head, telling.t("same_again")]
    now = percent(again.probability, 1, telling.language)
    return [head, telling.t("other_now", percent=now), *(changes or [telling.t("unaccounted")])]


def _told(change: Change, keys: list[tuple[str | None, str | None]], telling: Telling) -> str:
    """What has changed, by name."""
    from features.dates import minute

    at = minute(telling.local(change.at), telling.language)
    if change.kind == "profile":
        return telling.t("changed_profile", at=at)
    source, event_id = keys[change.event]
    name = f"{change.name} {source or ''}/{event_id or ''}"
    if change.since is None:
        return telling.t("changed_added", name=name, at=at)
    since = minute(telling.local(change.since), telling.language)
    return telling.t("changed_corrected", name=name, at=at, since=since)


def _result(
    lead: str, again: ScoredAgain, stored: ScoreRecord | None, moment: int, reasons: Any, changes: list[str]
) -> JsonObject:
    import msgspec

    return {
        "lead_id": lead,
        "as_of": moment,
        "stored": stored.probability if stored else None,
        "model_version": stored.model_version if stored else None,
        "probability": again.probability,
        "same": again.is_same if stored else None,
        "changes": changes,
        "reasons": msgspec.to_builtins(reasons),
    }
