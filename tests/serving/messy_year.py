"""A funnel with all that companies' data does, export by export: corrections, retractions, merges, deletions, lags."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.exports import LIST
from data.simulated.options import MESS
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from data.times import time_from_text

MESSY = FunnelOptions(leads=160, seed=7, days=300, export_days=56, **dict.fromkeys(MESS, True))
Year = list[tuple[EventLog, int]]
"""The log after each ingest, and the moment just after it, µs UTC."""


def year_in(folder: Path) -> Year:
    """The year, made in a folder."""
    exports = simulate(folder / "funnel", MESSY).exports
    if exports is None:
        raise ValueError("a messy funnel is written as exports")
    logs = []
    for number, step in enumerate(json.loads((exports / LIST).read_text(encoding="utf-8"))):
        files = ([str(exports / step[kind])] if kind in step else [] for kind in ("events", "leads", "identities"))
        as_of = time_from_text(step["as_of"])
        ingest(folder / "log", read_mapping(step["mapping"]), *files, as_of=as_of, buckets=4)
        copy = shutil.copytree(folder / "log", folder / f"log-{number}")
        logs.append((EventLog.open(copy), as_of + 1))
    return logs
