"""Brings sources into the event log: stage, judge, write what is new, swap. A kill at any time leaves the old log."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import duckdb

from data.contract import AHEAD, DataError, UsageError
from data.erasure.ledger import Known, Ledger
from data.intake.aliases import NewAliases, events_that_move, judge_identities
from data.intake.departures import require_same_account
from data.intake.doubts import examine
from data.intake.erased import erased_aliases, reject_erased
from data.intake.examination import Examination, frequent_types, rejected_rows
from data.intake.next_part import Counts, Export, IngestReport, has_states, takes_back, write_next
from data.intake.quarantine import collect_rejected, count_cells, open_quarantine, refuse_all, reject_broken
from data.intake.replacement import rest_of, taken_out
from data.intake.staging import GONE, Clock, stage, stage_moving, staged_rows
from data.log.compaction import index_runs
from data.log.eventlog import EventLog
from data.log.generations import only_writer, staging_folder
from data.log.manifest import BUCKETS, NAME, Manifest
from data.log.removal import erase_from_log
from data.quoting import quoted
from data.sources.inputs import KINDS, Files, Input, Plan, plan_of
from data.sources.mapping import Mapping as SourceMapping
from data.sources.named_files import rows_of_files, write_tables
from data.sources.query import SECONDS, Sandbox, asked_source, sandbox
from data.sources.source import Wanted, open_source, readable
from data.temporary import temporary_folder

MEMORY = "900MB"
ALIASES_OF_ERASED = (
    "{} ids are aliases of leads that were erased, and are erased from the log with them: "
    "`leadscore forget --returned` takes them out of store and lists too"
)
TAKEN_BACK = "{} events have no time in their row any more: they are taken back from the export's time on"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read. erased: what the ledger of the log knows."""

    log_path: Path
    mapping: SourceMapping
    plan: Plan
    clock: Clock
    erased: Known
    complete_until: Mapping[str, int] = field(default_factory=dict)
    query_seconds: float = SECONDS
    replacing: Collection[str] = ()


@dataclass(frozen=True)
class Staged:
    """What was staged: by which mapping, with the event types that are known then; aliases that are new, rows that the
    mapping leaves out, by kind, rows of files of queries, and what is to be said of them.

    erased: ids that turned out to be aliases of erased leads.
    """

    mapping: SourceMapping
    new: NewAliases
    left_out: Mapping[str, int]
    files: Counts
    examination: Examination
    erased: Sequence[str] = ()


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
    replacing: Collection[str] = (),
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    buckets: int = BUCKETS,
    query_seconds: float = SECONDS,
    most_rejected: float | None = None,
    new_leads: bool = False,
) -> IngestReport:
    """Adds events, profile versions and aliases (paths or database URLs) to the log in a folder, made if need be.

    What is in the log already adds nothing; what says otherwise is a later version; rows about leads that the ledger
    beside the log knows as erased are rejected. files: locations by the name that tables of the mapping and its queries
    give them. as_of: the time of the export (µs UTC), else now. complete_until: until when sources are complete
    (µs UTC), where they are silent before. replacing: sources whose earlier events are taken out in this generation.
    `progress` is told the share done, `clock` gives seconds since 1970: what lies ahead of it is rejected.
    query_seconds: how long a query may take. most_rejected: share of rows past which nothing is taken in. new_leads:
    that a state shares no leads with the log is as it should be. Raises DataError or UsageError, and then leaves the
    log as it was.
    """
    plan = plan_of(mapping, {"identities": identities, "events": events, "leads": leads}, files or {})
    times = _clock(clock, as_of)
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, _engine(staging) as con:
            # Asked under the lock that erasures take, too: whoever is erased later is taken out of what is written.
            erased = Ledger.beside(log_path).known()
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            manifest = old.manifest if old else Manifest((), 0, buckets)
            times = _beside(times, old)
            request = Request(log_path, mapping, plan, times, erased, complete_until or {}, query_seconds, replacing)
            staged = _stage(con, request, manifest.n_buckets, staging, old, lambda done: progress(0.5 * done))
            _require_few_rejected(staged.examination, most_rejected)
            if staged.erased:
                Ledger.beside(log_path).add("erased", staged.erased, times.now)
            gone = taken_out(old, replacing, staged.examination.sources)
            learnt = _learnt(mapping, staged.mapping, old)
            if old is not None and gone:
                old = rest_of(con, old, gone, staged.mapping.event_types, staging)
                manifest = old.manifest
            _stage_moving(con, old, staged.new, staging)
            export = Export(log_path, staged.mapping, plan.tables, times, request.complete_until, staged.new, new_leads)
            report = write_next(con, export, staging, old, manifest, lambda done: progress(0.5 + 0.5 * done))
            doubts = staged.examination.doubts + ((TAKEN_BACK.format(report.taken_back),) * bool(report.taken_back))
            report = replace(
                report, cells=count_cells(con), left_out=dict(staged.left_out), files=staged.files, idle=plan.idle,
                doubts=doubts, taken_out=gone, learnt=learnt,
            )  # fmt: skip
        for alias in staged.erased:
            erase_from_log(log_path, alias)
        return report
    except OSError as error:
        raise DataError(
            f"the event log in {log_path} cannot be written ({error.strerror or error}); it is as it was, make room"
        ) from None
    except duckdb.Error as error:
        raise readable(error, f"into {log_path}") from None


@dataclass(frozen=True)
class Checked:
    """What an ingest would do. rejected: (source, row, reason). taken_out: events of sources that it would replace."""

    examination: Examination
    rejected: list[tuple[str, int, str]]
    cells: Mapping[str, int]
    left_out: Mapping[str, int]
    files: Counts
    idle: tuple[str, ...]
    taken_out: Mapping[str, int]


def check_sources(
    log_path: Path,
    mapping: SourceMapping,
    events: Sequence[str] = (),
    leads: Sequence[str] = (),
    identities: Sequence[str] = (),
    *,
    files: Files | None = None,
    as_of: int | None = None,
    replacing: Collection[str] = (),
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
    query_seconds: float = SECONDS,
    new_leads: bool = False,
) -> Checked:
    """What `ingest` of the same files would take in and refuse; changes nothing. Raises what it would raise."""
    plan = plan_of(mapping, {"identities": identities, "events": events, "leads": leads}, files or {})
    times, erased = _clock(clock, as_of), Ledger.beside(log_path).known()
    try:
        with temporary_folder("check") as folder, _engine(folder) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            request = Request(log_path, mapping, plan, _beside(times, old), erased, {}, query_seconds, replacing)
            staged = _stage(con, request, BUCKETS, folder, old, progress)
            if old and old.manifest.events is not None and has_states(plan.tables) and not new_leads:
                require_same_account(con, old, index_runs(old.folders)["leads"])
            gone = taken_out(old, replacing, staged.examination.sources)
            return Checked(
                staged.examination, rejected_rows(con), count_cells(con), staged.left_out, staged.files, plan.idle, gone
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


def _beside(times: Clock, old: EventLog | None) -> Clock:
    """The clock beside a log: only an export that says when it was made, and is the newest, takes anything back."""
    return replace(times, takes_back=old is not None and times.stated and times.as_of >= old.manifest.state_us)


def _of_taking_back(plan: Plan, times: Clock, old: EventLog | None) -> Iterator[str]:
    """Why events whose time is empty in their row by now are not taken back."""
    if old is None or times.takes_back or not old.manifest.state_us or not takes_back(plan.tables):
        return
    if times.stated:
        yield "the export is older than another one: events whose time is empty in it stay as they were"
    else:
        yield "events whose time is empty by now stay as they were: say with --as-of when the export was made"


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
    plan, left_out, done = request.plan, dict[str, int](), 0
    known, theirs = request.erased, list[str]()
    open_quarantine(con, {kind: [some.name for some in plan.of(kind)] for kind in KINDS})
    with _queries(con, request, staging) as (box, files):
        for kind in KINDS:
            for part, some in enumerate(plan.of(kind)):
                _stage_input(con, some, box, part, n_buckets, request.clock, staging / kind)
                progress((done := done + 1) / len(plan.inputs))
            left_out[kind] = collect_rejected(con, staging, kind)
            if kind == "identities":
                theirs = erased_aliases(con, staging, known)
                known = known.and_erased(theirs, request.clock.now)
            reject_erased(con, staging, kind, known)
    new = judge_identities(con, staging, old.folders if old else [])
    if not any(staging.glob("*/bucket=[0-9]*")) and not any(staging.glob(f"leads/bucket={GONE}")):
        refuse_all(con)
    _show_staged(con, staging)
    zones = {
        (kind, part): some.table.time_zone or "as written" for kind in KINDS for part, some in enumerate(plan.of(kind))
    }
    mapping = _with_types(con, request, old)
    examination = examine(con, mapping, zones)
    more = [*_of_taking_back(plan, request.clock, old), *([ALIASES_OF_ERASED.format(len(theirs))] if theirs else ())]
    examination = replace(examination, doubts=(*examination.doubts, *more))
    return Staged(mapping, new, {kind: n for kind, n in left_out.items() if n}, files, examination, theirs)


def _with_types(con: duckdb.DuckDBPyConnection, request: Request, old: EventLog | None) -> SourceMapping:
    """The mapping; where it lists no types, with those of the log, of its groups, and frequent ones."""
    mapping, known, before = request.mapping, list[str](), Counter[str]()
    if mapping.event_types:
        return mapping
    if old is not None:
        gone = old.watermarks.told_only_by(request.replacing)
        known = [name for name in old.vocabulary.types if name not in gone]
        before = old.watermarks.without(request.replacing).events_by_type()
    types = (*frequent_types(con, before, known), *chain.from_iterable(mapping.groups.values()))
    return mapping.model_copy(update={"event_types": tuple(dict.fromkeys(types))})


def _learnt(given: SourceMapping, used: SourceMapping, old: EventLog | None) -> tuple[str, ...]:
    known = {*given.event_types, *(old.vocabulary.types if old else ())}
    return tuple(name for name in used.event_types if name not in known)


def _show_staged(con: duckdb.DuckDBPyConnection, staging: Path) -> None:
    for kind in ("events", "leads"):
        con.execute(f"CREATE OR REPLACE TEMP VIEW staged_{kind} AS SELECT * FROM {staged_rows(staging, kind)}")


def _stage_moving(con: duckdb.DuckDBPyConnection, old: EventLog | None, new: NewAliases, staging: Path) -> None:
    """Puts events of the log beside the staged ones that may be another lead's from now on."""
    if old is not None and new.periods:
        for table in events_that_move(old, new):
            stage_moving(con, table, old.n_buckets, staging / "events")
        _show_staged(con, staging)


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
