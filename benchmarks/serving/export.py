"""From a CRM's export to a registered model, a row for each command: `make bench NAME=export`.

Contacts with six date columns, deals and engagements, in the shape of HubSpot, as docs/crm/hubspot.md has it; all
settings are the defaults. `[CONTACTS]`, by default 5,000.

cpu_s counts what a command imports when it is called, too. two_cores_s: what the work would take on two cores that
nobody else uses: that of the main thread, and half of what other threads do beside it. A machine that others keep busy
makes both longer.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.harness import OUT, Row, measure
from commands.app import app
from data.log.eventlog import EventLog
from tests.crm.__main__ import write

FOLDER = OUT / "export"
CONTACTS = 5_000
FILES = ("contacts", "deals", "engagements")


def run(arguments: Sequence[str]) -> list[Row]:
    """A row for each command, and their sum. Raises RuntimeError where the log has another lead than the contacts."""
    rows: list[Row] = []
    for contacts in map(int, arguments or [str(CONTACTS)]):
        folder = FOLDER / str(contacts)
        shutil.rmtree(folder, ignore_errors=True)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        write("hubspot", folder / "export", contacts, today - timedelta(days=1))
        made = [measure(name, contacts, command, *words) for name, words in _commands(folder).items()]
        rows += [*made, _sum(made, contacts)]
        _require_contacts(folder / "var" / "log", contacts)
    return rows


def command(*words: str) -> Mapping[str, Any]:
    """`leadscore`, as it is typed."""
    main, all_threads = time.thread_time(), time.process_time()
    app(list(words), standalone_mode=False)
    main, all_threads = time.thread_time() - main, time.process_time() - all_threads
    return {"two_cores_s": round(main + (all_threads - main) / 2, 2)}


def _commands(folder: Path) -> dict[str, list[str]]:
    files = [word for name in FILES for word in ("--file", f"{name}={folder}/export/{name}.csv")]
    mapping, var = (
        ["--mapping", "hubspot", "--time-zone", "Europe/Berlin", *files],
        ["--var", f"{folder}/var", "--quiet"],
    )
    return {
        "ingest --check": ["ingest", "--check", *mapping, *var],
        "ingest": ["ingest", *mapping, *var],
        "features": ["features", *var],
        "train": ["train", *var],
    }


def _sum(rows: Sequence[Row], contacts: int) -> Row:
    total = {name: round(sum(row[name] for row in rows), 1) for name in ("cpu_s", "wall_s", "two_cores_s")}
    return {"contender": "all", "size": contacts, **total, "peak_mb": max(row["peak_mb"] for row in rows)}


def _require_contacts(log_path: Path, contacts: int) -> None:
    """Each contact is a lead, and nobody else is."""
    leads = EventLog.open(log_path).manifest.n_leads
    if leads != contacts:
        raise RuntimeError(f"{contacts} contacts became {leads} leads")
