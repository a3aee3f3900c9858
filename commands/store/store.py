"""Commands about the serving database: keys, forget, objection, and what `--store` means to other commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, Quiet, StoreUrl, Var, now_us, store_url
from console import Screen
from data.contract import UsageError
from data.ids import NoId, required_id

if TYPE_CHECKING:
    from data.intake.next_part import IngestReport
    from data.typed_json import JsonObject
    from serving.scoring.chain import Chain
    from serving.store.store import Store
    from training.registry.registered import Registered
    from workspace import Workspace

WHO = "command line"
keys = typer.Typer(no_args_is_help=True, help="API keys of the server: create, list, revoke.")


@keys.command()
def create(
    role: Annotated[str, typer.Argument(help="score, ingest, read or admin")],
    label: Annotated[str, typer.Argument(help="whose it is, to know it again in the list")],
    var: Var = VAR,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once."""
    from serving.store.store import open_store

    screen = Screen(as_json=as_json)
    with open_store(store_url(var, store)) as opened:
        secret = opened.keys.create(role, label, now_us())
        opened.audit.add(WHO, "create key", now_us())
    screen.tell(secret)
    screen.say("keep it now: it is stored as a hash and cannot be shown again")
    screen.result({"key": secret, "role": role, "label": label})


@keys.command(name="list")
def list_keys(var: Var = VAR, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """List keys, without their secrets."""
    from serving.store.store import open_store

    screen = Screen(as_json=as_json)
    with open_store(store_url(var, store)) as opened:
        api_keys = opened.keys.list()
    rows = [[key.prefix, key.role, key.label, "valid" if key.revoked_at is None else "revoked"] for key in api_keys]
    screen.table("keys", ["key", "role", "label", ""], rows)
    screen.result([asdict(key) for key in api_keys])


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="as the list shows it: the part after ls_")],
    var: Var = VAR,
    store: StoreUrl = None,
) -> None:
    """Revoke a key: from now on it opens nothing."""
    from serving.store.store import open_store

    with open_store(store_url(var, store)) as opened:
        opened.keys.revoke(key, now_us())
        opened.audit.add(WHO, "revoke key", now_us())
    Screen().tell(f"{key} is revoked")


def forget(
    lead: Annotated[str | None, typer.Argument(help="id of the lead")] = None,
    returned: Annotated[
        bool, typer.Option("--returned", help="erase again who was erased and is back, as after a restore")
    ] = False,
    store: StoreUrl = None,
    var: Annotated[Path, typer.Option(help="workspace: event log, training sets, exports")] = VAR,
    log: Annotated[Path | None, typer.Option(help="event log; default VAR/log")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Erase a lead and refuse it from now on. In store, event log and exports; shows the signed receipt."""
    from serving.store.privacy.workspace_files import WorkspaceFiles
    from serving.store.store import open_store

    if (lead is None) is not returned:
        raise UsageError("name the lead to erase, or --returned, and not both")
    screen, files = Screen(quiet, as_json), WorkspaceFiles(var, log or var / "log")
    with open_store(store_url(var, store)) as opened:
        if lead is None:
            removal = opened.erasure.forget_returned(WHO, now_us(), files)
            _tell_removed(screen, removal.counts, removal.limits)
            screen.result(asdict(removal))
            return
        receipt = opened.erasure.forget(lead, WHO, now_us(), files)
    _tell_removed(screen, receipt.removed, receipt.limits)
    screen.tell(f"receipt {receipt.id}: {receipt.subject} signed {receipt.signature}")
    screen.result(asdict(receipt))


def _tell_removed(screen: Screen, removed: Mapping[str, int], limits: Sequence[str]) -> None:
    from features.numbers_in_words import number

    rows = [[name, number(count)] for name, count in removed.items() if count]
    screen.table("erased", ["where", "rows"], rows or [["nothing was known of this lead", "0"]])
    for limit in limits:
        screen.tell(f"note: {limit}")


def objection(
    lead: Annotated[str, typer.Argument(help="id of the lead")],
    withdraw: Annotated[bool, typer.Option("--withdraw", help="it does not object any more")] = False,
    store: StoreUrl = None,
    var: Var = VAR,
    log: Annotated[Path | None, typer.Option(help="event log; default VAR/log")] = None,
    as_json: AsJson = False,
) -> None:
    """Note that a lead objects to being scored. Or, with --withdraw, that it no longer does; its data stays."""
    from serving.store.privacy.workspace_files import WorkspaceFiles
    from serving.store.store import open_store

    screen, files = Screen(as_json=as_json), WorkspaceFiles(var, log or var / "log")
    try:
        lead_id = required_id(lead)
    except NoId as error:
        raise UsageError(f"lead_id {error}") from None
    files.note_objection(lead_id, not withdraw, now_us())
    with open_store(store_url(var, store)) as opened:
        if opened.leads.get(lead_id) is not None:
            opened.leads.object(lead_id, not withdraw, now_us())
        opened.audit.add(WHO, "objection off" if withdraw else "objection on", now_us(), lead_id)
    screen.tell("the lead may be scored again" if withdraw else "the lead is not scored any more")
    screen.result({"objects": not withdraw})


def join_ledgers(opened: Store, log_path: Path) -> None:
    """What store and log know of who was erased or objects, both know from now on."""
    from data.erasure.ledger import Ledger

    if log_path.parent.exists():
        opened.erasure.join(Ledger.beside(log_path), now_us())


def join_own_store(var: Path, log_path: Path) -> None:
    """The same with the workspace's own store, where there is one."""
    from serving.store.store import open_store

    if (var / "store.db").exists():
        with open_store(store_url(var, None)) as opened:
            join_ledgers(opened, log_path)


def take_in(screen: Screen, url: str, log_path: Path, mapping: str | None = None) -> IngestReport:
    """Brings the store into the event log."""
    from data.sources.mapping import read_mapping
    from serving.store.events.log_export import ingest_store
    from serving.store.store import open_store

    base = None if mapping is None else read_mapping(mapping)
    with open_store(url) as opened, screen.progress("taking in the store") as step:
        join_ledgers(opened, log_path)
        return ingest_store(log_path, opened.database, base, step)


def chain_of(workspace: Workspace) -> Chain | None:
    """The champions of a chain of targets; None where the settings have none. Raises as `Workspace.champion` does."""
    from serving.scoring.chain import Chain
    from serving.scoring.scorer import Scorer
    from serving.trees.predictor import Predictor

    names = workspace.settings.chained
    if len(names) == 1:
        return None
    champions = {name: workspace.aimed_at(name).champion() for name in names}
    scorers = {name: Scorer(Predictor.of(champion)) for name, champion in champions.items()}
    return Chain(workspace.settings.target, scorers, " ".join(champion.digest for champion in champions.values()))


def rescore(
    screen: Screen,
    opened: Store,
    champion: Registered,
    as_of: int | None = None,
    published: str = "",
    chain: Chain | None = None,
) -> JsonObject:
    """Scores all leads of a store with the champion, and tells of it; the same for a script. See `Rescorer.run`."""
    from features.numbers_in_words import number
    from serving.scoring.rescoring import Rescorer
    from serving.scoring.scorer import Scorer
    from serving.trees.predictor import Predictor
    from training.registry.artifact_files import digest_of

    rescorer = Rescorer(opened, Scorer(Predictor.of(champion)), champion.version, digest_of(champion.folder), chain)
    with screen.progress("scoring the store") as step:
        done = rescorer.run(now_us, step, as_of, published)
    resumed = f", {number(done.resumed)} of them by an earlier run that was cut off" if done.resumed else ""
    screen.tell(
        f"{number(done.scored)} open leads of {number(done.leads)} scored by version {champion.version}{resumed}"
    )
    screen.tell(f"stages by the thresholds of {done.thresholds}")
    return {**asdict(done), "model": champion.name, "version": champion.version}
