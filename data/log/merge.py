"""Merges staged rows into one bucket of the log: each row once, in the total order, with bots labelled."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.log.bots import label_bots
from data.log.dedupe import keep_events
from data.log.eventlog import LAYOUT, EventLog, histories_of
from data.log.manifest import Words
from data.log.versions import keep_versions

ORDER = ("lead", "known_at", "occurred_at", "event_type", "channel", "value", "source", "event_id")
"""The total order of the log; nulls come first."""
TIME = pa.timestamp("us", "UTC")
DICTIONARIES = ("event_type", "channel", "source")


@dataclass(frozen=True)
class Tally:
    """What became of staged rows: accepted, or repeating one that is there. The others are in the table `rejected`."""

    events: int = 0
    event_duplicates: int = 0
    leads: int = 0
    lead_duplicates: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Merge:
    """What is merged: the staged rows of one ingest into the log `old`, written to the folder `draft`.

    shared_ids: whether the table `owners` has rows.
    """

    staging: Path
    old: EventLog | None
    draft: Path
    words: Words
    shared_ids: bool


def merge_bucket(con: duckdb.DuckDBPyConnection, job: Merge, bucket: int) -> Tally:
    """Writes the bucket's three files and says what became of the staged rows; adds conflicts to `rejected`."""
    accepted, repeated = keep_events(con, job.staging, job.old, bucket, job.shared_ids)
    columns = job.words.profile_columns
    versions, known = keep_versions(con, job.staging, job.old, bucket, columns)
    con.execute(
        """CREATE OR REPLACE TEMP TABLE ranked AS
        SELECT lead_id, (row_number() OVER (ORDER BY lead_id) - 1)::INTEGER AS lead
        FROM (SELECT lead_id FROM kept UNION SELECT lead_id FROM versions)"""
    )
    leads, profiles = _leads(con), _profiles(con)
    events = _labelled(leads, _events(con), profiles, job.words)
    pq.write_table(leads, job.draft / f"leads-{bucket:02d}.parquet")
    pq.write_table(events, job.draft / f"events-{bucket:02d}.parquet", **LAYOUT)
    pq.write_table(profiles, job.draft / f"profiles-{bucket:02d}.parquet")
    return Tally(accepted, repeated, versions, known)


def _events(con: duckdb.DuckDBPyConnection) -> pa.Table:
    order = ", ".join(f"{column} NULLS FIRST" for column in ORDER)
    table = con.sql(
        f"""SELECT {", ".join(ORDER)} FROM (
            SELECT ranked.lead, greatest(occurred_at, coalesce(received_at, occurred_at)) AS known_at, kept.*
            FROM kept JOIN ranked USING (lead_id)) ORDER BY {order}"""
    ).to_arrow_table()
    for name in DICTIONARIES:
        table = _replaced(table, name, table.column(name).dictionary_encode())
    return _timed(table, "known_at", "occurred_at")


def _profiles(con: duckdb.DuckDBPyConnection) -> pa.Table:
    table = con.sql(
        """SELECT ranked.lead, versions.* EXCLUDE (lead_id) FROM versions JOIN ranked USING (lead_id)
        ORDER BY lead, valid_from"""
    ).to_arrow_table()
    return _timed(table, "valid_from")


def _leads(con: duckdb.DuckDBPyConnection) -> pa.Table:
    return con.sql(
        """SELECT lead_id, coalesce(e.n, 0)::INTEGER AS events, coalesce(p.n, 0)::INTEGER AS versions FROM ranked
        LEFT JOIN (SELECT lead_id, count(*) AS n FROM kept GROUP BY ALL) e USING (lead_id)
        LEFT JOIN (SELECT lead_id, count(*) AS n FROM versions GROUP BY ALL) p USING (lead_id) ORDER BY lead"""
    ).to_arrow_table()


def _labelled(leads: pa.Table, events: pa.Table, profiles: pa.Table, words: Words) -> pa.Table:
    """Events with the column `bot_rule`: the name of the rule by which a machine made it, null for a human's."""
    unlabelled = events.append_column("bot_rule", pa.nulls(len(events), pa.string()).dictionary_encode())
    histories = histories_of(leads, unlabelled, profiles, list(words.profile_columns))
    label = label_bots(words.bots, histories.starts, histories.occurred_at, histories.event_type, histories.types)
    names = pa.array([rule.name for rule in words.bots], pa.string())
    rules = pa.DictionaryArray.from_arrays(pa.array(label, mask=label < 0), names)
    return events.append_column("bot_rule", rules)


def _timed(table: pa.Table, *names: str) -> pa.Table:
    for name in names:
        table = _replaced(table, name, table.column(name).cast(TIME))
    return table


def _replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)
