"""Brings sources into the event log: stage, merge bucket by bucket, swap. A kill at any time leaves the old log valid."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import DataError, UsageError
from data.eventlog import BUCKETS, EventLog
from data.mapping import Mapping
from data.merge import Tally, merge_bucket, merged_words, shared_ids, write_manifest
from data.sources import open_source, readable
from data.staging import REJECTED, rejected_rows, stage_events, stage_leads

MEMORY = "900MB"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Counts:
    """Rows of one kind: accepted + duplicate + rejected == received."""

    received: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True)
class IngestReport:
    """What became of every row. reasons: how many rows were rejected for what, the most frequent first."""

    events: Counts
    leads: Counts
    reasons: dict[str, int]
    rejected_path: Path


def ingest(
    log_path: Path,
    mapping: Mapping,
    events: Sequence[str],
    leads: Sequence[str] = (),
    *,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    buckets: int = BUCKETS,
) -> IngestReport:
    """Adds events and profile versions (paths or database URLs) to the log in a folder, which is made if need be.

    What is in the log already adds nothing. Raises DataError or UsageError, and then leaves the log as it was.
    """
    if leads and mapping.leads is None:
        raise UsageError(f"mapping {mapping.name} has no [leads]; add it or leave the leads files out")
    log_path.mkdir(parents=True, exist_ok=True)
    with _only_writer(log_path), _staging(log_path) as staging, _engine(staging) as con:
        old = EventLog.open(log_path) if (log_path / "log.json").exists() else None
        n_buckets = old.n_buckets if old else buckets
        now = int(clock() * 1_000_000)
        staged = _stage(con, mapping, events, leads, n_buckets, now, staging, lambda done: progress(0.5 * done))
        names = {"events": [_short(each) for each in events], "leads": [_short(each) for each in leads]}
        if not staged:
            _refuse(con, staging, names)
        return _merge(con, log_path, staging, old, mapping, n_buckets, names, lambda done: progress(0.5 + 0.5 * done))


def _stage(
    con: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    events: Sequence[str],
    leads: Sequence[str],
    buckets: int,
    clock: int,
    staging: Path,
    progress: Progress,
) -> int:
    total = len(events) + len(leads)
    for part, location in enumerate(events):
        source = open_source(con, location, mapping.events.columns, mapping.delimiter, mapping.events.query)
        stage_events(con, source, part, mapping.events, buckets, clock, staging / "events")
        progress((part + 1) / total)
    if mapping.leads:
        for part, location in enumerate(leads):
            source = open_source(con, location, mapping.leads.columns, mapping.delimiter, mapping.leads.query)
            stage_leads(con, source, part, mapping.leads, buckets, clock, staging / "leads")
            progress((len(events) + part + 1) / total)
    return sum(1 for _ in staging.glob("*/bucket=[0-9]*"))


def _refuse(con: duckdb.DuckDBPyConnection, staging: Path, names: dict[str, list[str]]) -> None:
    """When every single row is bad, the mapping is wrong rather than the rows: nothing is written."""
    for kind, sources in names.items():
        for row in rejected_rows(con, staging / kind, sources).slice(0, 1).to_pylist():
            raise DataError(f"{row['source']} row {row['row']}: {row['reason']}; no row fits, correct the mapping")


def _merge(
    con: duckdb.DuckDBPyConnection,
    log_path: Path,
    staging: Path,
    old: EventLog | None,
    mapping: Mapping,
    n_buckets: int,
    names: dict[str, list[str]],
    progress: Progress,
) -> IngestReport:
    number = 1 + (int(old.generation.rpartition("-")[2]) if old else 0)
    generation = f"generation-{number:06d}"
    draft = staging / generation
    draft.mkdir()
    words = merged_words(old, mapping)
    stolen = shared_ids(con, staging, old)
    tally = Tally()
    for bucket in range(n_buckets):
        try:
            tally += merge_bucket(con, staging, old, draft, bucket, words, stolen)
        except duckdb.Error as error:
            raise readable(error, "the staged rows") from None
        progress((bucket + 1) / n_buckets)
    rejected = [
        rejected_rows(con, staging / "events", names["events"], tally.event_conflict_rows),
        rejected_rows(con, staging / "leads", names["leads"], tally.lead_conflict_rows),
    ]
    _write_rejected(old, pa.concat_tables(rejected), draft / "rejected.parquet")
    _sync(draft)
    os.rename(draft, log_path / generation)
    write_manifest(log_path, generation, n_buckets, words)
    for stale in log_path.glob("generation-*"):
        if stale.name != generation:
            shutil.rmtree(stale, ignore_errors=True)
    return _report(tally, rejected, log_path / generation / "rejected.parquet")


def _report(tally: Tally, rejected: Sequence[pa.Table], path: Path) -> IngestReport:
    events, leads = (len(each) for each in rejected)
    reasons = Counter(_kind(reason) for each in rejected for reason in each.column("reason").to_pylist())
    return IngestReport(
        Counts(tally.events + tally.event_duplicates + events, tally.events, tally.event_duplicates, events),
        Counts(tally.leads + tally.lead_duplicates + leads, tally.leads, tally.lead_duplicates, leads),
        dict(reasons.most_common()),
        path,
    )


def _kind(reason: str) -> str:
    """A reason without the offending value."""
    before, quote, rest = reason.partition("'")
    return before + "…" + rest.rpartition("'")[2] if quote else reason


def _write_rejected(old: EventLog | None, fresh: pa.Table, path: Path) -> None:
    """Rejected rows of this and earlier ingests, each once."""
    before = pq.read_table(old.path / old.generation / "rejected.parquet") if old else REJECTED.empty_table()
    table = pa.concat_tables([before, fresh]).group_by(list(REJECTED.names), use_threads=False).aggregate([])
    pq.write_table(table.cast(REJECTED), path)


def _short(location: str) -> str:
    return location.split("://")[0] + " query" if "://" in location else Path(location).name


@contextmanager
def _engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(staging / "staging.duckdb"))
    con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
    con.execute(f"SET temp_directory = '{str(staging / 'spill').replace(chr(39), chr(39) * 2)}'")
    try:
        yield con
    finally:
        con.close()


@contextmanager
def _staging(log_path: Path) -> Iterator[Path]:
    """A folder for drafts; what a killed ingest left behind is removed first."""
    staging = log_path / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    _remove_orphans(log_path)
    for kind in ("events", "leads"):
        (staging / kind).mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _remove_orphans(log_path: Path) -> None:
    try:
        current = json.loads((log_path / "log.json").read_text(encoding="utf-8"))["generation"]
    except (OSError, ValueError, KeyError):
        current = None
    for folder in log_path.glob("generation-*"):
        if folder.name != current:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_writer(log_path: Path) -> Iterator[None]:
    """One ingest at a time; a second one is told so instead of waiting."""
    with (log_path / "writer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another ingest is writing to {log_path}; wait until it is done") from None
        yield


def _sync(folder: Path) -> None:
    """On disk before the manifest names it."""
    for path in [*sorted(folder.iterdir()), folder]:
        handle: Any = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
