"""Brings sources into the event log: stage, merge bucket by bucket, swap. A kill at any time leaves the old log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data.contract import AHEAD, DataError, UsageError
from data.log.dedupe import find_shared_ids
from data.log.eventlog import BUCKETS, EventLog
from data.log.generations import only_writer, publish, staging_folder
from data.log.manifest import merged_words
from data.log.merge import Merge, Tally, merge_bucket
from data.log.quarantine import collect_rejected, count_reasons, count_rejected, refuse_all, write_rejected
from data.log.staging import stage
from data.quoting import quoted
from data.sources.mapping import EventsPart, LeadsPart, Mapping
from data.sources.source import open_source, readable, short_name

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


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read. clock: µs UTC."""

    log_path: Path
    mapping: Mapping
    events: Sequence[str]
    leads: Sequence[str]
    clock: int


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

    What is in the log already adds nothing. `progress` is told the share done, `clock` gives seconds since 1970: what
    lies ahead of it is rejected. Raises DataError or UsageError, and then leaves the log as it was.
    """
    if leads and mapping.leads is None:
        raise UsageError(f"mapping {mapping.name} has no [leads]; add it or leave the leads files out")
    request = Request(log_path, mapping, events, leads, int(clock() * 1_000_000))
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, _engine(staging) as con:
            old = EventLog.open(log_path) if (log_path / "log.json").exists() else None
            n_buckets = old.n_buckets if old else buckets
            _stage(con, request, n_buckets, staging, lambda done: progress(0.5 * done))
            return _merge(con, request, n_buckets, staging, old, lambda done: progress(0.5 + 0.5 * done))
    except OSError as error:
        raise DataError(
            f"the event log in {log_path} cannot be written ({error.strerror or error}); it is as it was, make room"
        ) from None
    except duckdb.Error as error:
        raise readable(error, f"into {log_path}") from None


def _stage(con: duckdb.DuckDBPyConnection, request: Request, n_buckets: int, staging: Path, progress: Progress) -> None:
    """Checks every row of every source. Raises DataError when not a single one is good."""
    mapping, total, done = request.mapping, len(request.events) + len(request.leads), 0
    parts: list[tuple[str, EventsPart | LeadsPart, Sequence[str]]] = [("events", mapping.events, request.events)]
    if mapping.leads is not None:
        parts.append(("leads", mapping.leads, request.leads))
    for kind, spec, locations in parts:
        for part, location in enumerate(locations):
            source = open_source(con, location, spec.columns, spec.ids, mapping.delimiter, spec.query)
            stage(con, source, part, spec, n_buckets, request.clock, staging / kind)
            progress((done := done + 1) / total)
    names = {"events": list(map(short_name, request.events)), "leads": list(map(short_name, request.leads))}
    collect_rejected(con, staging, names)
    if not any(staging.glob("*/bucket=[0-9]*")):
        refuse_all(con)


def _merge(
    con: duckdb.DuckDBPyConnection,
    request: Request,
    n_buckets: int,
    staging: Path,
    old: EventLog | None,
    progress: Progress,
) -> IngestReport:
    """Writes the next generation, beside the old one until it is whole and on disk."""
    draft = staging / f"generation-{1 + (old.number if old else 0):06d}"
    draft.mkdir()
    words = merged_words(old, request.mapping)
    job = Merge(staging, old, draft, words, find_shared_ids(con, staging, old))
    tally = Tally()
    for bucket in range(n_buckets):
        tally += merge_bucket(con, job, bucket)
        progress((bucket + 1) / n_buckets)
    write_rejected(con, old.rejected_path if old else None, draft / "rejected.parquet")
    published = publish(draft, request.log_path, n_buckets, words, request.clock + AHEAD)
    return _report(con, tally, published / "rejected.parquet")


def _report(con: duckdb.DuckDBPyConnection, tally: Tally, rejected_path: Path) -> IngestReport:
    events = _counts(tally.events, tally.event_duplicates, count_rejected(con, "events"))
    leads = _counts(tally.leads, tally.lead_duplicates, count_rejected(con, "leads"))
    return IngestReport(events, leads, count_reasons(con), rejected_path)


def _counts(accepted: int, duplicate: int, rejected: int) -> Counts:
    return Counts(accepted + duplicate + rejected, accepted, duplicate, rejected)


@contextmanager
def _engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(staging / "staging.duckdb")) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
        con.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = {quoted(str(staging / 'spill'))}")
        yield con
