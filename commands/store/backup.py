"""Commands that take a backup of a whole installation, and make an installation of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.options import VAR, AsJson, Config, Log, Quiet, StoreUrl, Var, now_us, store_url
from console import Screen

WHO = "command line"


def backup(
    place: Annotated[Path, typer.Argument(help="a new folder, on another disk or machine")],
    var: Var = VAR,
    log: Log = None,
    store: StoreUrl = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Back up store, event log, models and settings. While a server, ingests and trainings go on."""
    from features.numbers_in_words import number
    from serving.backup.backup import Installation, make_backup
    from settings_file import settings_path

    screen = Screen(quiet, as_json)
    installation = Installation(var, log or var / "log", store_url(var, store), settings_path(config))
    with screen.progress("backing up"):
        contents = make_backup(installation, place, now_us())
    screen.tell(f"{place} holds {number(len(contents.files))} files, as of {_time(contents.made_at)}")
    for sentence in contents.lacks:
        screen.tell(f"not in it: {sentence}")
    screen.result({"place": str(place), "made_at": contents.made_at, "files": len(contents.files),
                   "store": contents.store, "lacks": contents.lacks})  # fmt: skip


def restore(
    place: Annotated[Path, typer.Argument(help="a folder that `leadscore backup` made")],
    var: Annotated[Path, typer.Option(help="the workspace to make; nothing may be there")] = VAR,
    store: Annotated[
        str | None, typer.Option(help="of a backup of PostgreSQL: the empty database, postgresql://USER@HOST/DATABASE")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="store that is replaced, if it can be read: who was erased in it stays erased")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a workspace and its store of a backup. Every file is checked first; who was erased stays erased."""
    from features.numbers_in_words import number
    from serving.backup.restore import restore

    screen = Screen(quiet, as_json)
    with screen.progress("restoring"):
        done = restore(place, var, store, ledger, now_us())
    screen.tell(f"{number(done.files)} files restored to {var}, as of {_time(done.made_at)}")
    screen.tell(f"leads that were erased and are taken out again: {number(done.erased)}")
    for sentence in done.lacks:
        screen.tell(f"missing: {sentence}")
    screen.tell("missing: what came after the backup; let services send it again, and revoke again what was revoked")
    if ledger is None:
        screen.tell("note: who was erased after the backup is known to the store that is replaced: see --ledger")
    screen.result(asdict(done))


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
