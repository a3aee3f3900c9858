"""The commands that show and check the audit trail: who did what when; and how other commands note what they do."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, AsParquet, StoreUrl, Var, now_us, parse_time, store_url
from console import Screen
from data.contract import DataError, UsageError

if TYPE_CHECKING:
    from serving.store.privacy.trail_chain import Head

WHO = "command line"


def trail(
    who: Annotated[str, typer.Option(help="only what is done by one whose name holds this: account anna, a key")] = "",
    action: Annotated[str, typer.Option(help="only what holds this: sign-in failed, promote, threshold, export")] = "",
    lead: Annotated[str | None, typer.Option(help="only what is about this lead, also when it was erased")] = None,
    since: Annotated[str | None, typer.Option(help="a date, or a time with its zone")] = None,
    until: Annotated[str | None, typer.Option(help="before this date, or time with its zone")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="the newest so many")] = 100,
    var: Var = VAR,
    store: StoreUrl = None,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """Show the audit trail: who did what, and when. Without the names of leads; it cannot be changed."""
    from serving.store.privacy.audit_trail import AuditQuery
    from serving.store.store import open_store

    screen = Screen(as_json=as_json)
    begin, end = (None if at is None else parse_time(at, name) for at, name in ((since, "--since"), (until, "--until")))
    with open_store(store_url(var, store)) as opened:
        entries = opened.audit.search(AuditQuery(who, action, lead, begin, end, limit))
    rows = [
        [f"{datetime.fromtimestamp(entry.at / 1e6, UTC):%Y-%m-%d %H:%M:%S}", entry.who, entry.role or "",
         entry.label or "", entry.action, (entry.subject or "")[:12]]
        for entry in entries
    ]  # fmt: skip
    records = [asdict(entry) for entry in entries]
    screen.keep(records, parquet)
    screen.table("Audit trail, times in UTC", ["at", "who", "role", "key's label", "did", "about"], rows)
    screen.result(records)


def check_trail(
    head: Annotated[str | None, typer.Option(help="NUMBER:SEAL that an earlier check printed, kept elsewhere")] = None,
    var: Var = VAR,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check that the audit trail was not changed. Keep what it prints, for `--head`, elsewhere."""
    from serving.store.store import open_store

    screen, known = Screen(as_json=as_json), None if head is None else _head(head)
    with open_store(store_url(var, store)) as opened:
        checked = opened.audit.check(known)
    if checked.faults:
        raise DataError(f"the audit trail was changed: {'; '.join(checked.faults)}")
    now = f"{checked.head.number}:{checked.head.seal}"
    if checked.older:
        screen.tell(f"{checked.older} of {checked.entries} entries are of a version that did not seal them")
    screen.say(f"{checked.entries} entries are as they were written; head {now}")
    screen.result({"entries": checked.entries, "not_sealed": checked.older, "head": now})


def _head(text: str) -> Head:
    from serving.store.privacy.trail_chain import Head

    number, _, seal = text.partition(":")
    if not number.isdecimal() or not re.fullmatch("[0-9a-f]{64}", seal):
        raise UsageError(f"--head {text!r}: NUMBER:SEAL, as `leadscore check-trail` prints it")
    return Head(int(number), seal)


def note(var: Path, store: str | None, action: str) -> None:
    """Notes in the trail of a store that something was done here; nothing where a workspace has no store yet."""
    from serving.store.store import open_store

    if store is not None or (var / "store.db").exists():
        with open_store(store_url(var, store)) as opened:
            opened.audit.add(WHO, action, now_us())
