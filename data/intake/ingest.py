"""Brings sources into the event log: stage, judge, write what is new, swap. A kill at any time leaves the old log."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from data.contract import AHEAD, DataError, UsageError
from data.intake.aliases import NewAliases, events_that_move, judge_identities
from data.intake.doubts import examine
from data.intake.examination import Examination, frequent_types, rejected_rows
from data.intake.next_part import Counts, Export, IngestReport, write_next
from data.intake.quarantine import collect_rejected, count_cells, open_quarantine, refuse_all, reject_broken
from data.intake.staging import GONE, Clock, stage, stage_moving, staged_rows
from data.log.eventlog import EventLog
from data.log.generations import only_writer, staging_folder
from data.log.manifest import BUCKETS, NAME, Manifest
from data.quoting import quoted
from data.sources.inputs import KINDS, Files, Input, Plan, plan_of
from data.sources.mapping import Mapping as SourceMapping
from data.sources.named_files import rows_of_files, write_tables
from data.sources.query import SECONDS, Sandbox, asked_source, sandbox
from data.sources.source import Wanted, open_source, readable

MEMORY = "900MB"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read."""

    log_path: Path
    mapping: SourceMapping
    plan: Plan
    clock: Clock
    complete_until: Mapping[str, int] = field(default_factory=dict)
    query_seconds: float = SECONDS


@dataclass(frozen=True)
class Staged:
    """What was staged: aliases that are new, rows that the mapping leaves out, by kind, rows of files of queries, and
    what is to be said of them."""

    new: NewAliases
    left_out: Mapping[str, int]
    files: Counts
    examination: Examination


def ingest(
    log_path: Path,
    mapping: SourceMapping,
    events: Sequence[str] = (),
    leads: Sequence[str] = (),
    identities: Sequence[str] = (),
    *,
    files: Files | None = None,
    as_of: int | None = None,
    complete_until: Mapping[str, int] | None = None,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    buckets: int = BUCKETS,
    query_seconds: float = SECONDS,
    most_rejected: float | None = None,
) -> IngestReport:
    """Adds events, profile versions and aliases (paths or database URLs) to the log in a folder, made if need be.

    What is in the log already adds nothing; what says otherwise is a later version. files: locations by the name that
    tables of the mapping and its queries give them. as_of: the time of the export (µs UTC), else now. complete_until:
    until when sources are complete (µs UTC), where they are silent before. `progress` is told the share done, `clock`
    gives seconds since 1970: what lies ahead of it is rejected. query_seconds: how long a query may take.
    most_rejected: share of rows past which nothing is taken in. Raises DataError or UsageError, and then leaves the log
    as it was.
    """
    plan = plan_of(mapping, {"identities": identities, "events": events, "leads": leads}, files or {})
    times = _clock(clock, as_of)
    request = Request(log_path, mapping, plan, times, complete_until or {}, query_seconds)
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, _engine(staging) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            manifest = old.manifest if old else Manifest((), 0, buckets)
            staged = _stage(con, request, manifest.n_buckets, staging, old, lambda done: progress(0.5 * done))
            _require_few_rejected(staged.examination, most_rejected)
            known = mapping.model_copy(update={"event_types": mapping.event_types or frequent_types(con)})
            export = Export(log_path, known, plan.tables, times, request.complete_until, staged.new)
            report = write_next(con, export, staging, old, manifest, lambda done: progress(0.5 + 0.5 * done))
            return replace(
                report, cells=count_cells(con), left_out=dict(staged.left_out), files=staged.files, idle=plan.idle,
                doubts=staged.examination.doubts,
            )  # fmt: skip
    except OSError as error:
        raise DataError(
            f"the event log in {log_path} cannot be written ({error.strerror or error}); it is as it was, make room"
        ) from None
    except duckdb.Error as error:
        raise readable(error, f"into {log_path}") from None


@dataclass(frozen=True)
class Checked:
    """What an ingest would do. rejected: (source, row, reason)."""

    examination: Examination
    rejected: list[tuple[str, int, str]]
    cells: Mapping[str, int]
    left_out: Mapping[str, int]
    files: Counts
    idle: tuple[str, ...]


def check_sources(
    log_path: Path,
    mapping: SourceMapping,
    events: Sequence[str] = (),
    leads: Sequence[str] = (),
    identities: Sequence[str] = (),
    *,
    files: Files | None = None,
    as_of: int | None = None,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    query_seconds: float = SECONDS,
) -> Checked:
    """What `ingest` of the same files would take in and refuse; changes nothing. Raises what it would raise."""
    plan = plan_of(mapping, {"identities": identities, "events": events, "leads": leads}, files or {})
    request = Request(log_path, mapping, plan, _clock(clock, as_of), {}, query_seconds)
    try:
        with tempfile.TemporaryDirectory(prefix="leadscore-check-") as folder, _engine(Path(folder)) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            staged = _stage(con, request, BUCKETS, Path(folder), old, progress)
            return Checked(
                staged.examination, rejected_rows(con), count_cells(con), staged.left_out, staged.files, plan.idle
            )
    except OSError as error:
        raise DataError(f"the check cannot write in {tempfile.gettempdir()} ({error}); make room") from None
    except duckdb.Error as error:
        raise readable(error, f"for {log_path}") from None


def _clock(clock: Callable[[], float], as_of: int | None) -> Clock:
    now = int(clock() * 1_000_000)
    if as_of is not None and as_of > now + AHEAD:
        raise UsageError("the time of the export lies in the future; correct --as-of")
    return Clock(now, now if as_of is None else as_of, as_of is not None)


def _require_few_rejected(examination: Examination, most: float | None) -> None:
    if most is not None and examination.share_rejected > most:
        raise DataError(
            f"{examination.share_rejected:.2%} of the rows are refused, more than --most-rejected {most:.2%}; nothing "
            "was ingested, see them with --check"
        )


def _stage(
    con: duckdb.DuckDBPyConnection,
    request: Request,
    n_buckets: int,
    staging: Path,
    old: EventLog | None,
    progress: Progress,
) -> Staged:
    """Checks every row of every source. Raises DataError when not a single one is good."""
    plan, new, left_out, done = request.plan, NewAliases(), dict[str, int](), 0
    open_quarantine(con, {kind: [some.name for some in plan.of(kind)] for kind in KINDS})
    with _queries(con, request, staging) as (box, files):
        for kind in KINDS:
            for part, some in enumerate(plan.of(kind)):
                _stage_input(con, some, box, part, n_buckets, request.clock, staging / kind)
                progress((done := done + 1) / len(plan.inputs))
            left_out[kind] = collect_rejected(con, staging, kind)
            if kind == "identities":
                new = judge_identities(con, staging, old.folders if old else [])
    if not any(staging.glob("*/bucket=[0-9]*")) and not any(staging.glob(f"leads/bucket={GONE}")):
        refuse_all(con)
    if old is not None and new.periods:
        for table in events_that_move(old, new):
            stage_moving(con, table, n_buckets, staging / "events")
    for kind in ("events", "leads"):
        con.execute(f"CREATE TEMP VIEW staged_{kind} AS SELECT * FROM {staged_rows(staging, kind)}")
    zones = {
        (kind, part): some.table.time_zone or "as written" for kind in KINDS for part, some in enumerate(plan.of(kind))
    }
    examination = examine(con, request.mapping, zones)
    return Staged(new, {kind: n for kind, n in left_out.items() if n}, files, examination)


def _stage_input(
    con: duckdb.DuckDBPyConnection, some: Input, box: Sandbox | None, part: int, buckets: int, clock: Clock, out: Path
) -> None:
    wanted = Wanted(some.table, some.form)
    if box is None or some.location is not None:
        stage(con, open_source(con, some.location or "", wanted), part, some.table, buckets, clock, out)
        return
    with asked_source(con, box, some.name, wanted) as source:
        stage(con, source, part, some.table, buckets, clock, out)


@contextmanager
def _queries(
    con: duckdb.DuckDBPyConnection, request: Request, staging: Path
) -> Iterator[tuple[Sandbox | None, Counts]]:
    """Where queries run, and the rows of the files that they see; nothing where no table has a query."""
    if all(some.location is not None for some in request.plan.inputs):
        yield None, Counts(0, 0, 0, 0)
        return
    tables = write_tables(con, request.plan.files, request.mapping, staging / "files")
    rows, broken = rows_of_files(con, tables)
    reject_broken(con, broken)
    with sandbox(tables, request.mapping.name, staging / "spill_of_queries", request.query_seconds) as box:
        yield box, Counts(rows, rows - len(broken), 0, len(broken))


@contextmanager
def _engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(staging / "staging.duckdb")) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
        con.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = {quoted(str(staging / 'spill'))}")
        yield con
