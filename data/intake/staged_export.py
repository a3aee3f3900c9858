"""What an export says, staged: its rows checked and put on disk by bucket, and what is to be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import duckdb

from data.erasure.ledger import ErasedAndObjecting
from data.intake.aliases import NewAliases, events_that_move, judge_identities
from data.intake.clock import Clock
from data.intake.departures import doubts_of_leads
from data.intake.doubts import examine
from data.intake.erased import erased_aliases, reject_erased
from data.intake.examination import Examination, frequent_types
from data.intake.next_part import Counts, takes_back
from data.intake.quarantine import collect_rejected, open_quarantine, refuse_all, reject_broken
from data.intake.rows_to_events import stage, stage_moving
from data.intake.staged_files import GONE, staged_rows
from data.log.eventlog import EventLog
from data.quoting import quoted
from data.sources.inputs import KINDS, IngestPlan, Input
from data.sources.mapping import Mapping as SourceMapping
from data.sources.named_files import rows_of_files, write_tables
from data.sources.query import SECONDS, Sandbox, asked_source, sandbox
from data.sources.source import Wanted, open_source

MEMORY = "900MB"
ALIASES_OF_ERASED = (
    "{} ids are aliases of leads that were erased, and are erased from the log with them: "
    "`leadscore forget --returned` takes them out of store and lists too"
)
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Request:
    """What is to be ingested, where to and how it is read. erased: what the ledger of the log knows."""

    log_path: Path
    mapping: SourceMapping
    plan: IngestPlan
    clock: Clock
    erased: ErasedAndObjecting
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


def stage_export(
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
    show_staged(con, staging)
    zones = {
        (kind, part): some.table.time_zone or "as written" for kind in KINDS for part, some in enumerate(plan.of(kind))
    }
    mapping = _with_types(con, request, old)
    examination = examine(con, mapping, zones)
    of_aliases = [ALIASES_OF_ERASED.format(len(theirs))] if theirs else []
    more = [*doubts_of_leads(con, old), *_of_taking_back(plan, request.clock, old), *of_aliases]
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


def _of_taking_back(plan: IngestPlan, times: Clock, old: EventLog | None) -> Iterator[str]:
    """Why events whose time is empty in their row by now are not taken back."""
    if old is None or times.takes_back or not old.manifest.state_us or not takes_back(plan.tables):
        return
    if times.stated:
        yield "the export is older than another one: events whose time is empty in it stay as they were"
    else:
        yield "events whose time is empty by now stay as they were: say with --as-of when the export was made"


def stage_moved(con: duckdb.DuckDBPyConnection, old: EventLog | None, new: NewAliases, staging: Path) -> None:
    """Puts events of the log beside the staged ones that may be another lead's from now on."""
    if old is not None and new.periods:
        for table in events_that_move(old, new):
            stage_moving(con, table, old.n_buckets, staging / "events")
        show_staged(con, staging)


def show_staged(con: duckdb.DuckDBPyConnection, staging: Path) -> None:
    """Makes the views `staged_events` and `staged_leads` of what is staged by now."""
    for kind in ("events", "leads"):
        con.execute(f"CREATE OR REPLACE TEMP VIEW staged_{kind} AS SELECT * FROM {staged_rows(staging, kind)}")


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
def staging_engine(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """What rows are checked, hashed and counted by, with so much memory; the rest spills into the folder."""
    with duckdb.connect(str(staging / "staging.duckdb")) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'; SET threads = 2")
        con.execute("SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = {quoted(str(staging / 'spill'))}")
        yield con
