"""Rows that were staged, after they were judged: as sorted runs of the log, and on which days sources told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import CONTEXT, US_PER_DAY
from data.intake.staged_files import read_rows, staged_rows
from data.intake.staged_verdicts import Judged
from data.log.runs import CODED, ORDER, TIME, Run
from data.log.watermarks import Observed
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
    events, versions = _events(con, staging, buckets), _versions(con, staging, one, columns)
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


class Day(NamedTuple):
    """Events of one source and type that one day (UTC) told of: the first and the last, µs UTC, and how many.

    By the times that rows say themselves: what was corrected by an export, or became a lead's by a merge, is known from
    then on, and does not show that its source has told everything till then.
    """

    source: str
    event_type: str
    first: int
    last: int
    events: int


def days_of(
    con: duckdb.DuckDBPyConnection, until: int, from_clause: str = TOLD_EVENTS.format("staged_events")
) -> list[Day]:
    """Days up to a time (µs UTC): a date of today lies ahead until it is over. from_clause: SQL, of which rows."""
    rows = con.execute(
        f"""SELECT source, event_type, min(known_at), max(known_at), count(*) {from_clause}
        GROUP BY source, event_type, known_at // {US_PER_DAY} ORDER BY ALL"""
    ).fetchall()
    return [Day(source, kind, min(first, until), min(last, until), n) for source, kind, first, last, n in rows]


def observed(days: Sequence[Day]) -> list[Observed]:
    """What was seen of each source and type."""
    seen = dict[tuple[str, str], Observed]()
    for day in days:
        key, of_day = day[:2], Observed(*day)
        seen[key] = seen[key].and_more(of_day) if key in seen else of_day
    return [*seen.values()]


def silences(days: Sequence[Day]) -> dict[str, int]:
    """The longest time (µs) in which each source said nothing."""
    longest, until = dict[str, int](), dict[str, int]()
    for first, last, source in sorted((day.first, day.last, day.source) for day in days):
        longest[source] = max(longest.get(source, 0), first - until.get(source, first))
        until[source] = max(until.get(source, last), last)
    return longest


def _columns(con: duckdb.DuckDBPyConnection, profile: Mapping[str, str], staged: str) -> str:
    """Profile columns as they were staged; one that this export does not have is null."""
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {staged}").fetchall()}
    return ", ".join(
        f"{named('p_' + name) if 'p_' + name in present else f'NULL::{kind}'} AS {named(name)}"
        for name, kind in profile.items()
    )


def _events(con: duckdb.DuckDBPyConnection, staging: Path, buckets: Sequence[int]) -> pa.Table:
    columns = ["lead_id", *EVENT_ORDER, *SELDOM[:-1]]
    rows = read_rows(con, staging, "events", buckets, [*columns, "part", "n", "retracted"])
    rows = rows.filter(_stand_as_told(con, rows, buckets)).drop_columns(["part", "n", "retracted"])
    rows = rows.append_column("superseded", pa.nulls(len(rows), pa.int64()))
    held = read_rows(con, staging, "held", buckets, [*columns, "superseded"]).select(rows.column_names)
    whole = pa.concat_tables([rows, held])
    return whole.rename_columns({"superseded": "superseded_at"})


def _stand_as_told(con: duckdb.DuckDBPyConnection, rows: pa.Table, buckets: Sequence[int]) -> pa.ChunkedArray:
    """Which events go into the log as they stand: those without a verdict that take nothing back."""
    query = f"SELECT part, n FROM event_verdicts WHERE home BETWEEN {buckets[0]} AND {buckets[-1]}"
    judged = pc.is_in(_row(rows), value_set=_row(con.sql(query).to_arrow_table()).combine_chunks())
    return pc.invert(pc.or_(rows.column("retracted"), judged))


def _row(rows: pa.Table) -> pa.ChunkedArray:
    """One number for part and n."""
    return pc.add(pc.shift_left(rows.column("n"), 20), rows.column("part"))


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
    table = table.drop_columns(["lead_id", "bucket"]).unify_dictionaries().combine_chunks()
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
    if not pa.types.is_string(column.type) and not pa.types.is_dictionary(column.type):
        return np.asarray(column.fill_null(-np.inf).to_numpy() if column.null_count else column.to_numpy())
    names = column.combine_chunks().dictionary_encode()
    place = np.full(len(names.dictionary) + 1, -1, np.int64)
    place[pc.sort_indices(names.dictionary).to_numpy()] = np.arange(len(names.dictionary))
    return np.asarray(place[names.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _coded(events: pa.Table) -> pa.Table:
    """Events with names as codes, by their first appearance, and times as such, without columns that hold nothing."""
    for name in CODED:
        events = _replaced(events, name, _by_appearance(events.column(name).combine_chunks()))
    events = events.drop_columns([name for name in SELDOM if events.column(name).null_count == len(events)])
    times = ("known_at", "occurred_at", "superseded_at")
    return _timed(events, *(name for name in times if name in events.column_names))


def _by_appearance(names: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same names with codes in the order in which they appear."""
    order = names.indices.unique().drop_null()
    code = np.empty(len(names.dictionary), np.int32)
    code[order] = np.arange(len(order))
    return pa.DictionaryArray.from_arrays(pa.array(code).take(names.indices), names.dictionary.take(order))


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
