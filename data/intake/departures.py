"""Leads that an export says are gone, and those that are back: rows of a profile with `deleted`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from data.intake.staging import gone_rows
from data.log.absences import SCHEMA

if TYPE_CHECKING:
    from data.intake.next_part import IngestReport


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
