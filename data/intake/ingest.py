"""Brings sources into the event log: stage, judge, write what is new, swap. A kill at any time leaves the old log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from data.contract import DataError
from data.erasure.ledger import Ledger
from data.intake.clock import beside, clock_of, require_past
from data.intake.examination import Examination
from data.intake.next_part import Export, IngestReport, write_next
from data.intake.quarantine import count_cells
from data.intake.replacement import rest_of, taken_out
from data.intake.staged_export import Progress, Request, stage_export, stage_moved, staging_engine
from data.log.eventlog import EventLog
from data.log.generations import only_writer, staging_folder
from data.log.manifest import BUCKETS, NAME, Manifest
from data.log.removal import erase_from_log
from data.sources.inputs import Files, plan_of
from data.sources.mapping import Mapping as SourceMapping
from data.sources.query import SECONDS
from data.sources.source import readable

TAKEN_BACK = "{} events have no time in their row any more: they are taken back from the export's time on"


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
    accounts: Mapping[str, str] | None = None,
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
    give them. as_of: the time of the export (µs UTC), else now. complete_until: until when sources are complete (µs
    UTC), where they are silent before. accounts: whose they are, by source, where a vendor has told. replacing: sources
    whose earlier events are taken out in this generation. `progress` is told the share done, `clock` gives seconds
    since 1970: what lies ahead of it is rejected. query_seconds: how long a query may take. most_rejected: share of
    rows past which nothing is taken in. new_leads: that a state shares no leads with the log is as it should be. Raises
    DataError or UsageError, and then leaves the log as it was.
    """
    plan = plan_of(mapping, {"identities": identities, "events": events, "leads": leads}, files or {})
    times = clock_of(clock, as_of)
    require_past(complete_until or {}, times)
    try:
        log_path.mkdir(parents=True, exist_ok=True)
        with only_writer(log_path), staging_folder(log_path) as staging, staging_engine(staging) as con:
            # Asked under the lock that erasures take, too: whoever is erased later is taken out of what is written.
            erased = Ledger.beside(log_path).known()
            old = EventLog.open(log_path) if (log_path / NAME).exists() else None
            manifest = old.manifest if old else Manifest((), 0, buckets)
            times = beside(times, old)
            request = Request(log_path, mapping, plan, times, erased, complete_until or {}, query_seconds, replacing)
            staged = stage_export(con, request, manifest.n_buckets, staging, old, lambda done: progress(0.5 * done))
            _require_few_rejected(staged.examination, most_rejected)
            if staged.erased:
                Ledger.beside(log_path).add("erased", staged.erased, times.now)
            gone = taken_out(old, replacing, staged.examination.sources)
            learnt = _learnt(mapping, staged.mapping, old)
            if old is not None and gone:
                old = rest_of(con, old, gone, staged.mapping.event_types, staging)
                manifest = old.manifest
            stage_moved(con, old, staged.new, staging)
            declared = complete_until or {}, accounts or {}
            export = Export(log_path, staged.mapping, plan.tables, times, *declared, staged.new, new_leads)
            report = write_next(con, export, staging, old, manifest, lambda done: progress(0.5 + 0.5 * done))
            taken_back = [TAKEN_BACK.format(report.taken_back)] if report.taken_back else []
            watermarks = EventLog.open(log_path).watermarks
            lags = [*watermarks.unheard_in_words(complete_until or {}), *watermarks.lags_in_words()]
            report = replace(
                report, cells=count_cells(con), left_out=dict(staged.left_out), files=staged.files, idle=plan.idle,
                doubts=(*staged.examination.doubts, *taken_back, *lags), taken_out=gone, learnt=learnt,
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


def _require_few_rejected(examination: Examination, most: float | None) -> None:
    if most is not None and examination.share_rejected > most:
        raise DataError(
            f"{examination.share_rejected:.2%} of the rows are refused, more than --most-rejected {most:.2%}; nothing "
            "was ingested, see them with --check"
        )


def _learnt(given: SourceMapping, used: SourceMapping, old: EventLog | None) -> tuple[str, ...]:
    known = {*given.event_types, *(old.vocabulary.types if old else ())}
    return tuple(name for name in used.event_types if name not in known)
