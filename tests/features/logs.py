"""Small event logs, made as any log is, and what training sets of them are compared by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks._funnel import write_export
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from features.catalogue import default_catalogue
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe

EVENTS, BUCKETS = 20_000, 4
DEMO = Target("demo", ("demo_request",), closed_by=("unsubscribe",))


def ingested(folder: Path, events: int) -> EventLog:
    write_export(events, folder / "events.parquet", folder / "leads.parquet")
    files = [str(folder / "events.parquet")], [str(folder / "leads.parquet")]
    ingest(folder / "log", read_mapping("simulated"), *files, buckets=BUCKETS)
    return EventLog.open(folder / "log")


def recipe_for(log: EventLog) -> Recipe:
    return Recipe(
        log.digest,
        log.observed_until_us + 1,
        log.vocabulary,
        default_catalogue(log.vocabulary, log.profile_columns, DEMO.outcomes),
        DEMO,
        MomentPolicy(every_days=7),
        log.words,
        log.bots,
        log.profile_columns,
    )


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of a training set."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
