"""Brings sources into the event log: stage, judge, write what is new, swap. A kill at any time leaves the old log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from data.contract import AHEAD, DataError, UsageError
from data.intake.aliases import NewAliases, events_that_move, judge_identities
from data.intake.next_part import Export, IngestReport, write_next
from data.intake.quarantine import collect_rejected, open_quarantine, refuse_all
from data.intake.staging import Clock, stage, stage_moving, staged_rows
from data.log.eventlog import EventLog
from data.log.generations import only_writer, staging_folder
from data.log.manifest import BUCKETS, NAME, Manifest
from data.quoting import quoted
from data.sources.mapping import Mapping as SourceMapping
from data.sources.source import open_source, readable, short_name

MEMORY = "900MB"
KINDS = ("identities", "events", "leads")
"""Kinds of rows, in the order in which they are staged: aliases are known before events."""
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read. files: locations of each kind."""

    log_path: Path
    mapping: SourceMapping
    files: Mapping[str, Sequence[str]]
    clock: Clock
    complete_until: Mapping[str, int] = field(default_factory=dict)


def ingest(
    log_path: Path,
    mapping: SourceMapping,
    events: Sequence[str],
    leads: Sequence[str] = (),
    identities: Sequence[str] = (),
    *,
    as_of: int | None = None,
    complete_until: Mapping[str, int] | None = None,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    buckets: int = BUCKETS,
) -> IngestReport:
    """Adds events, profile versions and aliases (paths or database URLs) to the log in a folder, made if need be.

    What is in the log already adds nothing; what says otherwise is a later version. as_of: the time of the export (µs
    UTC), else now. complete_until: until when sources are complete (µs UTC), where they are silent before. `progress`
    is told the share done, `clock` gives seconds since 1970: what lies ahead of it is rejected. Raises DataError or
    UsageError, and then leaves the log as it was.
    """
    files = {"identities": identities, "events": events, "leads": leads}
    for kind in KINDS:
        if files[kind] and getattr(mapping, kind) is None:
            raise UsageError(f"mapping {mapping.name} has no [{kind}]; add it or leave the {kind} files out")
    now = int(clock() * 1_000_000)
    if as_of is not None and as_of > now + AHEAD:
        raise UsageError("the time of the export lies in the future; correct --as-of")
    times = Clock(now, now if as_of is None else as_of, as_of is not None)
    request = Request(log_path, mapping, files, times, complete_until or {})
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, _engine(staging) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            manifest = old.manifest if old else Manifest((), 0, buckets)
            new = _stage(con, request, manifest.n_buckets, staging, old, lambda done: progress(0.5 * done))
            export = Export(log_path, mapping, times, request.complete_until, new)
            return write_next(con, export, staging, old, manifest, lambda done: progress(0.5 + 0.5 * done))
    except OSError as error:
        raise DataError(
            f"the event log in {log_path} cannot be written ({error.strerror or error}); it is as it was, make room"
        ) from None
    except duckdb.Error as error:
        raise readable(error, f"into {log_path}") from None


def _stage(
    con: duckdb.DuckDBPyConnection,
    request: Request,
    n_buckets: int,
    staging: Path,
    old: EventLog | None,
    progress: Progress,
) -> NewAliases:
    """Checks every row of every source. Raises DataError when not a single one is good."""
    mapping, total, done = request.mapping, sum(map(len, request.files.values())), 0
    new = NewAliases()
    open_quarantine(con, {kind: [short_name(location) for location in request.files[kind]] for kind in KINDS})
    for kind in KINDS:
        spec = getattr(mapping, kind)
        for part, location in enumerate(request.files[kind]):
            source = open_source(con, location, spec.columns, spec.ids, mapping.delimiter, spec.query)
            stage(con, source, part, spec, n_buckets, request.clock, staging / kind)
            progress((done := done + 1) / total)
        collect_rejected(con, staging, kind)
        if kind == "identities":
            new = judge_identities(con, staging, old.folders if old else [])
    if not any(staging.glob("*/bucket=[0-9]*")):
        refuse_all(con)
    if old is not None and new.periods:
        for table in events_that_move(old, new):
            stage_moving(con, table, n_buckets, staging / "events")
    for kind in ("events", "leads"):
        con.execute(f"CREATE TEMP VIEW staged_{kind} AS SELECT * FROM {staged_rows(staging, kind)}")
    return new


@contextmanager
def _engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(staging / "staging.duckdb")) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
        con.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = {quoted(str(staging / 'spill'))}")
        yield con
