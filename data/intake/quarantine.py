"""Rows that were not accepted: in which source, which row and why. Collected in a table, kept in rejected.parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from data.contract import DataError
from data.quoting import quoted

Names = Mapping[str, Sequence[str]]
"""Per kind of row (events, leads, identities) what the sources are called, in order."""
WITHOUT_VALUE = """regexp_replace(regexp_replace(reason, '''.*''', '…', 's'), 'has \\d+ char', 'has too many char')"""


def open_quarantine(con: duckdb.DuckDBPyConnection, names: Names) -> None:
    """Makes the tables `sources` (kind, part, source) and `rejected` (kind, part, row, reason)."""
    con.execute("CREATE TEMP TABLE sources (kind VARCHAR, part INTEGER, source VARCHAR)")
    con.execute("CREATE TEMP TABLE rejected (kind VARCHAR, part INTEGER, row BIGINT, reason VARCHAR)")
    for kind, sources in names.items():
        for part, name in enumerate(sources):
            con.execute("INSERT INTO sources VALUES (?, ?, ?)", [kind, part, name])


def collect_rejected(con: duckdb.DuckDBPyConnection, staging: Path, kind: str) -> None:
    """Adds the staged rows of a kind that were refused."""
    if (staging / kind / "bucket=-1").exists():
        files = quoted(str(staging / kind / "bucket=-1" / "*.parquet"))
        con.execute(f"INSERT INTO rejected SELECT '{kind}', part, n, reason FROM read_parquet({files})")


def refuse_all(con: duckdb.DuckDBPyConnection) -> None:
    """When no row at all fits, the mapping is wrong rather than the rows: raises DataError, naming the first."""
    first = con.execute(
        "SELECT source, row, reason FROM rejected JOIN sources USING (kind, part) ORDER BY kind, part, row LIMIT 1"
    ).fetchall()
    for source, row, reason in first:
        raise DataError(f"{source} row {row}: {reason}; no row fits, correct the mapping")
    names = con.execute("SELECT string_agg(source, ', ' ORDER BY kind, part) FROM sources").fetchall()[0][0]
    raise DataError(f"{names}: there is a header, but no row; export again")


def write_rejected(con: duckdb.DuckDBPyConnection, before: Sequence[Path], path: Path) -> None:
    """Writes source, row and reason of this and earlier ingests (files), each once, in order."""
    rows = "SELECT source, row, reason FROM rejected JOIN sources USING (kind, part)"
    for file in before:
        rows += f" UNION ALL SELECT source, row, reason FROM read_parquet({quoted(str(file))})"
    con.execute(f"COPY (SELECT DISTINCT * FROM ({rows}) ORDER BY source, row, reason) TO {quoted(str(path))}")


def count_rejected(con: duckdb.DuckDBPyConnection, kind: str = "%") -> int:
    """Rejected rows of this ingest, of a kind or of both."""
    return int(con.execute("SELECT count(*) FROM rejected WHERE kind LIKE ?", [kind]).fetchall()[0][0])


def count_reasons(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rejected rows of this ingest by reason, without the offending values, the most frequent first."""
    query = f"SELECT {WITHOUT_VALUE} AS why, count(*) AS n FROM rejected GROUP BY why ORDER BY n DESC, why"
    return {why: int(n) for why, n in con.execute(query).fetchall()}
