"""Commands about the serving database: keys, forget, and what `--store` means to other commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.options import VAR, AsJson, Quiet, StoreUrl, Var, now_us, store_url
from console import Screen

if TYPE_CHECKING:
    from data.intake.next_part import IngestReport
    from serving.store.store import Store
    from training.registry.registered import Registered

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
    lead: Annotated[str, typer.Argument(help="id of the lead")],
    store: StoreUrl = None,
    var: Annotated[Path, typer.Option(help="workspace: event log, training sets, exports")] = VAR,
    log: Annotated[Path | None, typer.Option(help="event log; default VAR/log")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Erase a lead and refuse it from now on. In store, event log and exports; shows the signed receipt."""
    from data.log.exported_tables import erase_from_files
    from features.wording import number
    from serving.store.store import open_store

    screen = Screen(quiet, as_json)
    with open_store(store_url(var, store)) as opened:
        receipt = opened.erasure.forget(
            lead, WHO, now_us(), lambda lead_id: erase_from_files(var, log or var / "log", lead_id)
        )
    removed = [[name, number(count)] for name, count in receipt.removed.items() if count]
    screen.table("erased", ["where", "rows"], removed or [["nothing was known of this lead", "0"]])
    for limit in receipt.limits:
        screen.tell(f"note: {limit}")
    screen.tell(f"receipt {receipt.id}: {receipt.subject} signed {receipt.signature}")
    screen.result(asdict(receipt))


def take_in(screen: Screen, url: str, log_path: Path, mapping: str | None = None) -> IngestReport:
    """Brings the store into the event log."""
    from data.sources.mapping import read_mapping
    from serving.store.events.log_export import ingest_store
    from serving.store.store import open_store

    base = None if mapping is None else read_mapping(mapping)
    with open_store(url) as opened, screen.progress("taking in the store") as step:
        return ingest_store(log_path, opened.database, base, step)


def rescore(
    screen: Screen, opened: Store, champion: Registered, as_of: int | None = None, published: str = ""
) -> dict[str, Any]:
    """Scores all leads of a store with the champion, and tells of it; the same for a script. See `Rescorer.run`."""
    from features.wording import number
    from serving.scoring.rescoring import Rescorer
    from serving.scoring.scorer import Scorer
    from serving.trees.predictor import Predictor
    from training.registry.artifact_files import digest_of

    rescorer = Rescorer(opened, Scorer(Predictor.of(champion)), champion.version, digest_of(champion.folder))
    with screen.progress("scoring the store") as step:
        done = rescorer.run(now_us, step, as_of, published)
    resumed = f", {number(done.resumed)} of them by an earlier run that was cut off" if done.resumed else ""
    screen.tell(
        f"{number(done.scored)} open leads of {number(done.leads)} scored by version {champion.version}{resumed}"
    )
    screen.tell(f"stages by the thresholds of {done.thresholds}")
    return {**asdict(done), "model": champion.name, "version": champion.version}
