"""Rows that were staged, after they were judged, as sorted runs of the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
EVENT_ORDER, VERSION_ORDER = ORDER[1:], ("valid_from",)
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
    events, versions = _events(con, staging, one), _versions(con, staging, one, columns)
    leads, ranks = _ranked(events, versions)
    events, versions = _in_order(events, ranks[0], EVENT_ORDER), _in_order(versions, ranks[1], VERSION_ORDER)
    counts = [np.bincount(rank, minlength=len(leads)) for rank in ranks]
    runs = _cut(buckets, leads, (_coded(events), _timed(versions, "valid_from")), counts)
    return [Run(*run, judged.patches_of(bucket)) for bucket, run in zip(buckets, runs, strict=True)]


def known_span(con: duckdb.DuckDBPyConnection, until: int) -> list[int]:
    """When the first and the last of the events that are kept became known, up to a time (µs UTC); empty for none."""
    query = f"SELECT coalesce(v.known, known_at) AS known {TOLD_EVENTS.format('staged_events')}"
    row = con.execute(f"SELECT min(known), max(known) FROM ({query} UNION ALL SELECT known FROM held)").fetchall()[0]
    return [min(at, until) for at in row if at is not None]


def _columns(con: duckdb.DuckDBPyConnection, profile: Mapping[str, str], staged: str) -> str:
    """Profile columns as they were staged; one that this export does not have is null."""
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {staged}").fetchall()}
    return ", ".join(
        f"{named('p_' + name) if 'p_' + name in present else f'NULL::{kind}'} AS {named(name)}"
        for name, kind in profile.items()
    )


def _events(con: duckdb.DuckDBPyConnection, staging: Path, bucket: int | None) -> pa.Table:
    columns = ", ".join(("bucket", *EVENT_ORDER, *SELDOM[:-1]))
    return con.sql(
        f"""SELECT lead_id, {columns}, NULL::BIGINT AS superseded_at
        {TOLD_EVENTS.format(staged_rows(staging, "events", bucket))} AND v.outcome IS NULL
        UNION ALL SELECT lead_id, {columns}, superseded FROM {staged_rows(staging, "held", bucket)}"""
    ).to_arrow_table()


def _versions(
    con: duckdb.DuckDBPyConnection, staging: Path, bucket: int | None, columns: Mapping[str, str]
) -> pa.Table:
    staged = staged_rows(staging, "leads", bucket)
    profile = {"account_id": "VARCHAR"} | {name: SQL_TYPES[kind] for name, kind in columns.items()}
    return con.sql(
        f"""SELECT lead_id, bucket, coalesce(v.known, valid_from) AS valid_from, {_columns(con, profile, staged)}
        {KEPT_VERSIONS.format(staged)}"""
    ).to_arrow_table()


def _ranked(events: pa.Table, versions: pa.Table) -> tuple[pa.Table, list[NDArray[np.int64]]]:
    """Leads (lead_id, bucket) by bucket and name, and the place of each row's lead among them."""
    rows = [table.select(["lead_id", "bucket"]) for table in (events, versions)]
    whole = pa.concat_tables(rows).combine_chunks()
    names = whole.column("lead_id").combine_chunks().dictionary_encode()
    code = names.indices.to_numpy()
    bucket = np.zeros(len(names.dictionary), np.int64)
    bucket[code] = whole.column("bucket").to_numpy()
    leads = pa.table({"lead_id": names.dictionary, "bucket": bucket})
    order = pc.sort_indices(leads, [("bucket", "ascending"), ("lead_id", "ascending")]).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return leads.take(pa.array(order)), np.split(rank[code], [len(events)])


def _in_order(table: pa.Table, rank: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
    """Rows by lead and then by columns, nulls first. Most differ in the first of them, which is a time."""
    table = table.drop_columns(["lead_id", "bucket"]).combine_chunks()
    time = table.column(columns[0]).to_numpy()
    order = np.lexsort((time, rank))
    same = np.flatnonzero((np.diff(rank[order]) == 0) & (np.diff(time[order]) == 0))
    if len(same) and len(columns) > 1:
        rows = np.unique(np.concatenate([same, same + 1]))
        some = order[rows]
        tied = table.select(columns).take(pa.array(some))
        order[rows] = some[np.lexsort([*(_place(tied.column(name)) for name in reversed(columns)), rank[some]])]
    return table.take(pa.array(order))


def _place(column: pa.ChunkedArray) -> NDArray[Any]:
    """What orders rows as a column does, nulls first."""
    if not pa.types.is_string(column.type):
        return np.asarray(column.fill_null(-np.inf).to_numpy() if column.null_count else column.to_numpy())
    names = column.combine_chunks().dictionary_encode()
    place = np.full(len(names.dictionary) + 1, -1, np.int64)
    place[pc.sort_indices(names.dictionary).to_numpy()] = np.arange(len(names.dictionary))
    return np.asarray(place[names.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _coded(events: pa.Table) -> pa.Table:
    """Events with names as codes, by their first appearance, and times as such, without columns that hold nothing."""
    for name in CODED:
        events = _replaced(events, name, events.column(name).dictionary_encode())
    events = events.drop_columns([name for name in SELDOM if events.column(name).null_count == len(events)])
    times = ("known_at", "occurred_at", "superseded_at")
    return _timed(events, *(name for name in times if name in events.column_names))


def _cut(
    buckets: Sequence[int], leads: pa.Table, tables: Sequence[pa.Table], counts: Sequence[NDArray[np.int64]]
) -> Iterator[tuple[pa.Array, pa.Table, NDArray[np.int64], pa.Table, NDArray[np.int64]]]:
    """Leads, events and their number by lead, versions and theirs, bucket by bucket."""
    ids = leads.column("lead_id").combine_chunks()
    starts = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
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
