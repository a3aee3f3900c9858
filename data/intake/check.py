"""What an ingest would do with an export: a look at it that changes nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from data.contract import AHEAD, DataError
from data.erasure.ledger import Ledger
from data.intake.clock import beside, clock_of
from data.intake.departures import require_same_account
from data.intake.examination import Examination, rejected_rows
from data.intake.fresh import days_of, observed
from data.intake.next_part import Counts
from data.intake.quarantine import count_cells
from data.intake.replacement import taken_out
from data.intake.staged_export import Progress, Request, stage_export, staging_engine
from data.log.compaction import index_runs
from data.log.eventlog import EventLog
from data.log.manifest import BUCKETS, NAME
from data.log.watermarks import Watermarks
from data.sources.inputs import Files, plan_of
from data.sources.mapping import Mapping as SourceMapping
from data.sources.query import SECONDS
from data.sources.source import readable
from data.temporary import temporary_folder


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
    times, erased = clock_of(clock, as_of), Ledger.beside(log_path).known()
    try:
        with temporary_folder("check") as folder, staging_engine(folder) as con:
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            request = Request(log_path, mapping, plan, beside(times, old), erased, {}, query_seconds, replacing)
            staged = stage_export(con, request, BUCKETS, folder, old, progress)
            if old and old.manifest.events is not None:
                require_same_account(con, old, index_runs(old.folders)["leads"], plan.tables, new_leads)
            gone = taken_out(old, replacing, staged.examination.sources)
            examination = _with_lags(con, staged.examination, old, replacing, times.now)
            return Checked(
                examination, rejected_rows(con), count_cells(con), staged.left_out, staged.files, plan.idle, gone
            )
    except OSError as error:
        raise DataError(f"the check cannot write in {tempfile.gettempdir()} ({error}); make room") from None
    except duckdb.Error as error:
        raise readable(error, f"for {log_path}") from None


def _with_lags(
    con: duckdb.DuckDBPyConnection, seen: Examination, old: EventLog | None, replacing: Collection[str], now: int
) -> Examination:
    """With the sources that would lag in the log; an ingest asks the log itself, once it is there."""
    before = old.watermarks.without(replacing) if old else Watermarks()
    days = days_of(con, now + AHEAD, "FROM staged_events WHERE n > 0 AND NOT retracted")
    lags = before.and_more(observed(days), {}).lags_in_words()
    return replace(seen, doubts=(*seen.doubts, *lags))
