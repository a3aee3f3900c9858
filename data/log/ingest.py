"""Brings sources into the event log: stage, judge, write what is new, swap. A kill at any time leaves the old log.

What is new becomes a delta beside what is there, so that an append costs what it brings. Where deltas have grown past a
share of the base, all is woven into a new base.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from data.contract import AHEAD, DataError, UsageError
from data.log.compaction import INDEXES, index_runs, must_compact, weave_base
from data.log.content import lead_hashes
from data.log.eventlog import EventLog
from data.log.fresh import fresh_runs, observed
from data.log.generations import draft_of, only_writer, publish, staging_folder
from data.log.judging import Judged, judge_staged
from data.log.log_of_0_1 import indexed
from data.log.manifest import BUCKETS, NAME, Manifest, write_manifest
from data.log.parts import BASE, DELTA, LEAD_INDEX, REJECTED, write_delta
from data.log.quarantine import collect_rejected, count_reasons, count_rejected, refuse_all, write_rejected
from data.log.runs import Run
from data.log.staging import Clock, stage, staged_rows
from data.log.version_index import added, unknown
from data.quoting import quoted
from data.sources.mapping import EventsPart, LeadsPart
from data.sources.mapping import Mapping as SourceMapping
from data.sources.source import open_source, readable, short_name

MEMORY = "900MB"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Counts:
    """Rows of one kind: accepted + duplicate + rejected == received.

    corrected: those of the accepted that say something else about what was known already.
    """

    received: int
    accepted: int
    duplicate: int
    rejected: int
    corrected: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What became of every row. reasons: how many rows were rejected for what, the most frequent first."""

    events: Counts
    leads: Counts
    reasons: dict[str, int]
    rejected_path: Path


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read. complete_until: source -> µs UTC."""

    log_path: Path
    mapping: SourceMapping
    events: Sequence[str]
    leads: Sequence[str]
    clock: Clock
    complete_until: Mapping[str, int] = field(default_factory=dict)


def ingest(
    log_path: Path,
    mapping: SourceMapping,
    events: Sequence[str],
    leads: Sequence[str] = (),
    *,
    as_of: int | None = None,
    complete_until: Mapping[str, int] | None = None,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    buckets: int = BUCKETS,
) -> IngestReport:
    """Adds events and profile versions (paths or database URLs) to the log in a folder, which is made if need be.

    What is in the log already adds nothing; what says otherwise is a later version. as_of: the time of the export (µs
    UTC), else now. complete_until: until when sources are complete (µs UTC), where they are silent before. `progress`
    is told the share done, `clock` gives seconds since 1970: what lies ahead of it is rejected. Raises DataError or
    UsageError, and then leaves the log as it was.
    """
    if leads and mapping.leads is None:
        raise UsageError(f"mapping {mapping.name} has no [leads]; add it or leave the leads files out")
    now = int(clock() * 1_000_000)
    if as_of is not None and as_of > now + AHEAD:
        raise UsageError("the time of the export lies in the future; correct --as-of")
    times = Clock(now, now if as_of is None else as_of, as_of is not None)
    request = Request(log_path, mapping, events, leads, times, complete_until or {})
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, _engine(staging) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            manifest = old.manifest if old else Manifest((), 0, buckets)
            _stage(con, request, manifest.n_buckets, staging, lambda done: progress(0.5 * done))
            return _write(con, request, staging, old, manifest, lambda done: progress(0.5 + 0.5 * done))
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
    for kind in names:
        con.execute(f"CREATE TEMP VIEW staged_{kind} AS SELECT * FROM {staged_rows(staging, kind)}")


def _write(
    con: duckdb.DuckDBPyConnection,
    request: Request,
    staging: Path,
    old: EventLog | None,
    manifest: Manifest,
    progress: Progress,
) -> IngestReport:
    """Writes the next part, beside the old ones until it is whole and on disk."""
    words = manifest.words.and_those_of(request.mapping)
    index, is_old = index_runs(old.folders if old else []), manifest.events is None
    if old and is_old:
        manifest, index = indexed(con, old, staging)
    clock, judged = request.clock, {}
    for kind, name in INDEXES.items():
        judged[kind] = judge_staged(
            con, kind, index[kind], clock.as_of, clock.stated, manifest.n_buckets, staging / name
        )
    made = replace(_next(con, request, manifest, judged), words=words)
    more = sum(some.accepted for some in judged.values())
    if old and not is_old and not more and not count_rejected(con):
        write_manifest(request.log_path, made)
        return _report(con, judged, old.rejected_paths[-1])
    what = words.profile_columns, judged["events"]
    if old is None or is_old or must_compact(made, more):
        draft = draft_of(staging, BASE, made.ingests)
        fresh = (fresh_runs(con, staging, [bucket], *what)[0] for bucket in range(made.n_buckets))
        index = {kind: [*runs, staging / INDEXES[kind]] for kind, runs in index.items()}
        made, before = weave_base(draft, old, fresh, index, made, progress), old.rejected_paths if old else []
    else:
        draft = draft_of(staging, DELTA, made.ingests)
        runs = fresh_runs(con, staging, range(made.n_buckets), *what)
        made, before = _write_delta(draft, old, runs, staging, made), []
    write_rejected(con, before, draft / REJECTED)
    report = _report(con, judged, request.log_path / draft.name / REJECTED)
    publish([draft], request.log_path, made)
    return report


def _write_delta(draft: Path, old: EventLog, runs: Sequence[Run], staging: Path, manifest: Manifest) -> Manifest:
    write_delta(draft, runs)
    for name in INDEXES.values():
        (staging / name).rename(draft / name)
    hashes = np.sort(lead_hashes(pa.chunked_array([run.leads for run in runs], pa.string())))
    new = unknown([folder / LEAD_INDEX for folder in old.folders], hashes)
    new.tofile(draft / LEAD_INDEX)
    n_events, n_versions = (sum(len(table) for table in tables) for tables in
                            ((run.events for run in runs), (run.profiles for run in runs)))  # fmt: skip
    return replace(
        manifest,
        parts=(*manifest.parts, draft.name),
        n_events=manifest.n_events + n_events,
        n_added=manifest.n_added + n_events + n_versions,
        n_leads=manifest.n_leads + len(new),
    )


def _next(con: duckdb.DuckDBPyConnection, request: Request, old: Manifest, judged: Mapping[str, Judged]) -> Manifest:
    """The manifest after this ingest, but for the parts and what mappings say."""
    seen = observed(con)
    first = [old.observed_from_us] if old.n_events else []
    last = [old.observed_until_us] if old.n_events else []
    return replace(
        old,
        ingests=old.ingests + 1,
        n_overwritten=old.n_overwritten + judged["leads"].corrected,
        watermarks=old.watermarks.and_more(seen, request.complete_until),
        observed_from_us=min([*first, *(row.first for row in seen)], default=0),
        observed_until_us=max([*last, *(row.last for row in seen)], default=0),
        events=added(old.events or 0, judged["events"].digest),
        profiles=added(old.profiles or 0, judged["leads"].digest),
    )


def _report(con: duckdb.DuckDBPyConnection, judged: Mapping[str, Judged], rejected_path: Path) -> IngestReport:
    counts = {kind: _counts(some, count_rejected(con, kind)) for kind, some in judged.items()}
    return IngestReport(counts["events"], counts["leads"], count_reasons(con), rejected_path)


def _counts(judged: Judged, rejected: int) -> Counts:
    received = judged.accepted + judged.duplicate + rejected
    return Counts(received, judged.accepted, judged.duplicate, rejected, judged.corrected)


@contextmanager
def _engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(staging / "staging.duckdb")) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
        con.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = {quoted(str(staging / 'spill'))}")
        yield con
