"""Rows that were staged, after they were judged, as sorted runs of the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import CONTEXT
from data.intake.staged_verdicts import Judged
from data.intake.staging import staged_rows
from data.log.runs import CODED, ORDER, TIME, Run
from data.quoting import named

SQL_TYPES = {"category": "VARCHAR", "number": "DOUBLE"}
TOLD_EVENTS = """FROM {} LEFT JOIN event_verdicts v USING (part, n)
    WHERE (v.outcome IS NULL OR v.outcome = 0) AND NOT retracted"""
"""Rows that tell of an event; those without a verdict go into the log as they stand."""
SELDOM = ("deal", *CONTEXT, "superseded_at")
"""Columns that are left out where no event has one."""
KEPT_VERSIONS = "FROM {} LEFT JOIN lead_verdicts v USING (part, n) WHERE v.outcome IS NULL OR v.outcome = 0"


def fresh_runs(
    con: duckdb.DuckDBPyConnection, staging: Path, buckets: Sequence[int], columns: Mapping[str, str], judged: Judged
) -> list[Run]:
    """A run for each of these buckets, all of them or one; bot rules are applied when histories are read.

    The tables `event_verdicts` and `lead_verdicts` hold what is not simply accepted.
    """
    one = buckets[0] if len(buckets) == 1 else None
    columns_of_events = ", ".join(("bucket", "lead_id", *ORDER[1:], *SELDOM[:-1]))
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE kept_events AS
        SELECT {columns_of_events}, NULL::BIGINT AS superseded_at
        {TOLD_EVENTS.format(staged_rows(staging, "events", one))} AND v.outcome IS NULL
        UNION ALL SELECT {columns_of_events}, superseded FROM {staged_rows(staging, "held", one)}"""
    )
    versions = staged_rows(staging, "leads", one)
    profile = {"account_id": "VARCHAR"} | {name: SQL_TYPES[kind] for name, kind in columns.items()}
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE kept_versions AS
        SELECT bucket, lead_id, coalesce(v.known, valid_from) AS valid_from, {_columns(con, profile, versions)}
        {KEPT_VERSIONS.format(versions)}"""
    )
    con.execute(
        """CREATE OR REPLACE TEMP TABLE ranked AS
        SELECT bucket, lead_id, (row_number() OVER (ORDER BY bucket, lead_id) - 1)::INTEGER AS lead
        FROM (SELECT bucket, lead_id FROM kept_events UNION SELECT bucket, lead_id FROM kept_versions)"""
    )
    leads = con.sql("SELECT bucket, lead_id FROM ranked ORDER BY lead").to_arrow_table()
    runs = _cut(buckets, leads, _events(con), _versions(con))
    return [Run(*run, judged.patches_of(bucket)) for bucket, run in zip(buckets, runs, strict=True)]


def known_span(con: duckdb.DuckDBPyConnection, until: int) -> list[int]:
    """When the first and the last of the events that are kept became known, up to a time (µs UTC); empty for none."""
    told = f"SELECT coalesce(v.known, known_at) AS known {TOLD_EVENTS.format('staged_events')}"
    row = con.execute(f"SELECT min(known), max(known) FROM ({told} UNION ALL SELECT known FROM held)").fetchall()[0]
    return [min(at, until) for at in row if at is not None]


def _columns(con: duckdb.DuckDBPyConnection, profile: Mapping[str, str], staged: str) -> str:
    """Profile columns as they were staged; one that this export does not have is null."""
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {staged}").fetchall()}
    return ", ".join(
        f"{named('p_' + name) if 'p_' + name in present else f'NULL::{kind}'} AS {named(name)}"
        for name, kind in profile.items()
    )


def _events(con: duckdb.DuckDBPyConnection) -> pa.Table:
    order = ", ".join(f"{column} NULLS FIRST" for column in ORDER)
    table = con.sql(
        f"""SELECT {", ".join(ORDER)}, {", ".join(SELDOM)} FROM kept_events JOIN ranked USING (bucket, lead_id)
        ORDER BY {order}"""
    ).to_arrow_table()
    for name in CODED:
        table = _replaced(table, name, table.column(name).dictionary_encode())
    table = table.drop_columns([name for name in SELDOM if table.column(name).null_count == len(table)])
    times = ("known_at", "occurred_at", "superseded_at")
    return _timed(table, *(name for name in times if name in table.column_names))


def _versions(con: duckdb.DuckDBPyConnection) -> pa.Table:
    table = con.sql(
        """SELECT lead, kept_versions.* EXCLUDE (bucket, lead_id) FROM kept_versions
        JOIN ranked USING (bucket, lead_id) ORDER BY lead, valid_from"""
    ).to_arrow_table()
    return _timed(table, "valid_from")


def _cut(
    buckets: Sequence[int], leads: pa.Table, events: pa.Table, versions: pa.Table
) -> Iterator[tuple[pa.Array, pa.Table, NDArray[np.int64], pa.Table, NDArray[np.int64]]]:
    """Leads, events and their number by lead, versions and theirs, bucket by bucket."""
    ids = leads.column("lead_id").combine_chunks()
    counts = [np.bincount(table.column("lead").to_numpy(), minlength=len(ids)) for table in (events, versions)]
    starts = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
    tables = [table.drop_columns(["lead"]) for table in (events, versions)]
    bounds = np.searchsorted(leads.column("bucket").to_numpy(), [*buckets, buckets[-1] + 1])
    for begin, end in pairwise(bounds.tolist()):
        rows = [
            table.slice(start[begin], start[end] - start[begin]) for table, start in zip(tables, starts, strict=True)
        ]
        yield ids.slice(begin, end - begin), rows[0], counts[0][begin:end], rows[1], counts[1][begin:end]


def _timed(table: pa.Table, *names: str) -> pa.Table:
    for name in names:
        table = _replaced(table, name, table.column(name).cast(TIME))
    return table


def _replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)
