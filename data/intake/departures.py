"""Who an export says is there: leads that are gone by rows with `deleted`, that are back, and whose account it is of.

An export of another account shares no ids with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from data.intake.staged_files import gone_rows
from data.judging.verdicts import STATE
from data.log.absences import SCHEMA
from data.log.eventlog import EventLog
from data.log.parts import LEAD_INDEX
from data.log.version_index import LEAD, is_known, open_run, unknown
from data.masking import masked
from data.sources.tables import LeadsPart, Table
from data.times import iso_day

if TYPE_CHECKING:
    from data.intake.next_part import IngestReport

ENOUGH, SHARED, SHOWN = 100, 0.01, 3
"""A state of so many leads is of another account where the log has so many others, and less than that share of them."""


@dataclass(frozen=True)
class Departures:
    """What an export says of who is there. gone: rows that say that a lead is gone; known: those that add nothing."""

    absences: pa.Table
    gone: int
    known: int

    def counted(self, report: IngestReport) -> IngestReport:
        """A report with these rows among those of profiles."""
        leads = report.leads
        return replace(
            report,
            leads=replace(
                leads,
                received=leads.received + self.gone,
                accepted=leads.accepted + self.gone - self.known,
                duplicate=leads.duplicate + self.known,
            ),
        )


def gone_and_back(con: duckdb.DuckDBPyConnection, staging: Path, before: pa.Table) -> Departures:
    """What rows with `deleted` add to the absences that are known.

    A lead is gone from the time of such a row on, until a version of its profile that is valid from later on. A row
    that says no more than what is known adds nothing.
    """
    rows = gone_rows(staging)
    con.register("absent_before", before)
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE told_of AS
        SELECT lead_hash AS lead, valid_from AS "at", true AS away, true AS is_new FROM {rows}
        UNION ALL SELECT lead, "at", away, false FROM absent_before WHERE NOT merged
        UNION ALL SELECT lead_hash, valid_from, false, true FROM staged_leads WHERE lead_hash IN (
            SELECT lead_hash FROM {rows} UNION SELECT lead FROM absent_before WHERE NOT merged)"""
    )
    con.unregister("absent_before")
    # Of one time the deletion counts: it is told of with the state that the lead had last.
    added = con.sql(
        """SELECT DISTINCT lead, "at", away, false AS merged FROM (
            SELECT *, lag(away, 1, false) OVER (PARTITION BY lead ORDER BY "at", away, is_new) AS was_away FROM told_of)
        WHERE is_new AND away <> was_away ORDER BY lead, "at", away"""
    ).to_arrow_table()
    gone = con.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
    new = sum(added.column("away").to_pylist())
    return Departures(added.cast(SCHEMA), gone, gone - new)


def require_same_account(
    con: duckdb.DuckDBPyConnection, old: EventLog, index: Sequence[Path], tables: Sequence[Table], of_new_leads: bool
) -> None:
    """Raises DataError, with some ids of both, where nearly none of the staged leads has a profile in the log.

    Only a table of leads as they were at the time of the export is asked, and only where nobody says that its leads are
    new. index: of profile versions. Looks at all leads that are known only where there is a doubt.
    """
    if of_new_leads or not any(isinstance(table, LeadsPart) and table.snapshot for table in tables):
        return
    present = hashes_of_state(con)
    shared = int(is_known(index, present).sum())
    if len(present) < ENOUGH or shared >= SHARED * len(present):
        return
    n_known = len(all_leads(index))
    if n_known >= ENOUGH:
        theirs = con.execute(f"SELECT DISTINCT lead_id FROM staged_leads ORDER BY lead_id LIMIT {SHOWN}").fetchall()
        raise DataError(
            f"of {len(present)} leads in the export the log knows {shared}, and it knows {n_known} others: is it of "
            f"another account? Its leads are like {_listed(name for (name,) in theirs)}, those of the log like "
            f"{_listed(_known(old))}. Ingest it into a log of its own (--log), or correct lead_id in the mapping; if "
            "they are new leads of this account, say --new-leads"
        )


def doubts_of_leads(con: duckdb.DuckDBPyConnection, old: EventLog | None) -> Iterator[str]:
    """What is strange about whose leads an export tells, beside what the log knows."""
    if old is None:
        return
    newest = max(old.manifest.snapshot_us, old.manifest.full_export_us)
    if 0 < (made := newest_state(con)) < newest:
        yield (
            f"the states in this export are as of {iso_day(made)}, and the log has some as of {iso_day(newest)}: they "
            "hold from their own time on, and delete and bring back nobody; if they are the newest, correct --as-of"
        )
    if old.n_leads >= ENOUGH and old.manifest.events is not None:
        yield from _of_strangers(con, old)


def _of_strangers(con: duckdb.DuckDBPyConnection, old: EventLog) -> Iterator[str]:
    """Events of many leads of whom the log knows nearly none: they may be new, or another account's."""
    rows = con.execute("SELECT DISTINCT lead_hash FROM staged_events ORDER BY lead_hash").fetchnumpy()
    hashes = np.asarray(rows["lead_hash"], np.uint64)
    if len(hashes) < ENOUGH:
        return
    shared = len(hashes) - len(unknown([folder / LEAD_INDEX for folder in old.folders], hashes))
    if shared < SHARED * len(hashes):
        theirs = con.execute(f"SELECT DISTINCT lead_id FROM staged_events ORDER BY lead_id LIMIT {SHOWN}").fetchall()
        yield (
            f"of {len(hashes)} leads with events in the export the log knows {shared}, and it knows {old.n_leads} "
            f"others. They are like {_listed(name for (name,) in theirs)}, those of the log like "
            f"{_listed(_known(old))}: are they new, or is this another account's export, or another lead_id?"
        )


def newest_state(con: duckdb.DuckDBPyConnection) -> int:
    """The time of the newest staged state of a lead, µs UTC, 0 for none."""
    newest = con.execute(f"SELECT max(valid_from) FROM staged_leads WHERE sort = {STATE}").fetchall()[0][0]
    return newest or 0


def hashes_of_state(con: duckdb.DuckDBPyConnection) -> NDArray[np.uint64]:
    """The leads of which profiles were staged."""
    rows = con.execute("SELECT DISTINCT lead_hash FROM staged_leads").fetchnumpy()
    return np.asarray(rows["lead_hash"], np.uint64)


def all_leads(index: Sequence[Path]) -> NDArray[np.uint64]:
    """Hashes of the leads of runs of an index, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.uint64), *(np.array(open_run(path)[LEAD]) for path in index)]))


def _known(log: EventLog) -> list[str]:
    buckets = (log.bucket(number).lead_ids.to_pylist() for number in range(log.n_buckets))
    return sorted(islice(chain.from_iterable(buckets), SHOWN))


def _listed(lead_ids: Iterable[str]) -> str:
    return ", ".join(map(masked, lead_ids))
