"""Each version of a profile once: rows that repeat one, and rows that contradict one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from data.log.bucket_rows import has_staged, logged_leads, staged_rows
from data.log.eventlog import EventLog
from data.quoting import named, quoted

SQL_TYPES = {"category": "VARCHAR", "number": "DOUBLE"}


def keep_versions(
    con: duckdb.DuckDBPyConnection,
    staging: Path,
    old: EventLog | None,
    bucket: int,
    profile_columns: Mapping[str, str],
) -> tuple[int, int]:
    """Makes the table `versions`: old and staged versions of a bucket, each (lead_id, valid_from) once.

    Returns how many staged rows were accepted, and how many repeat one; those in conflict are added to `rejected`.
    """
    kinds = {"account_id": "VARCHAR"} | {name: SQL_TYPES[kind] for name, kind in profile_columns.items()}
    columns = ", ".join(map(named, kinds))
    body = f"md5(concat_ws('\x1f', {', '.join(f'coalesce({named(name)}::VARCHAR, chr(30))' for name in kinds)}))"
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE judged_versions AS
        WITH rows AS (SELECT *, {body} AS body FROM ({_rows(con, staging, old, bucket, kinds)}))
        SELECT *, body <> first_value(body) OVER same AS conflict, row_number() OVER same > 1 AS repeat
        FROM rows WINDOW same AS (PARTITION BY lead_id, valid_from ORDER BY fresh, part, n)"""
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE versions AS
        SELECT lead_id, valid_from, {columns} FROM judged_versions WHERE NOT repeat"""
    )
    con.execute(
        """INSERT INTO rejected SELECT 'leads', part, n, 'another profile version of this lead starts at the same time'
        FROM judged_versions WHERE conflict AND fresh = 1"""
    )
    accepted, repeated = con.execute(
        """SELECT count(*) FILTER (NOT repeat), count(*) FILTER (repeat AND NOT conflict)
        FROM judged_versions WHERE fresh = 1"""
    ).fetchall()[0]
    return int(accepted), int(repeated)


def _rows(
    con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None, bucket: int, kinds: Mapping[str, str]
) -> str:
    """Staged and old versions; a column that one of them does not have is null there."""
    nothing = ", ".join(f"NULL::{kind} AS {named(name)}" for name, kind in kinds.items())
    rows = f"""SELECT 0 AS part, 0::BIGINT AS n, ''::VARCHAR AS lead_id, 0::BIGINT AS valid_from, {nothing}, 1 AS fresh
        WHERE false"""
    if has_staged(staging, "leads", bucket):
        staged = staged_rows(staging, "leads", bucket)
        made = _columns(con, staged, kinds, "p_")
        rows += f" UNION ALL SELECT part, n, lead_id, valid_from, {made}, 1 FROM {staged}"
    if old is not None:
        logged = f"read_parquet({quoted(str(old.file('profiles', bucket)))})"
        rows += f""" UNION ALL SELECT 0, 0, lead_id, epoch_us(valid_from), {_columns(con, logged, kinds)}, 0
            FROM {logged} JOIN {logged_leads(old, bucket)} USING (lead)"""
    return rows


def _columns(con: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str], prefix: str = "") -> str:
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    return ", ".join(
        f"{named(prefix + name)}::{kind}" if prefix + name in present else f"NULL::{kind}"
        for name, kind in kinds.items()
    )
