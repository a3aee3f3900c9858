"""Rows that were not accepted: in which source, which row and why. Collected in a table, kept in rejected.parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from data.contract import DataError
from data.intake.row_columns import BETWEEN_CELLS
from data.intake.staged_files import LEFT_OUT, REFUSED
from data.likely_time_formats import likely_formats
from data.masking import NUMBER
from data.quoting import quoted
from data.sources.checks import PERSONAL
from data.sources.named_files import Broken
from data.sources.time_columns import UNZONED

Names = Mapping[str, Sequence[str]]
"""Per kind of row (events, leads, identities) what the sources are called, in order."""
TOLD = """SELECT coalesce(file, source) AS source, coalesce(file_row, row) AS row, reason, kind, part
    FROM rejected JOIN sources USING (kind, part) LEFT JOIN origins USING (kind, part, row)"""
"""Rejected rows as people know them: by file and row where a query says so."""
NO_TIME = r"^\w+ '(.*)' is no time "
GLANCE = 1_000
"""Texts of times that are looked at to say how they are written."""
WITHOUT_VALUE = """regexp_replace(regexp_replace(reason, '''.*''', '…', 's'), 'has \\d+ char', 'has too many char')"""


def open_quarantine(con: duckdb.DuckDBPyConnection, names: Names) -> None:
    """Makes the tables `sources` (kind, part, source) and `rejected` (kind, part, row, reason), `origins` of the rows
    of queries (kind, part, row, file, file_row), and `cells` that count as missing (kind, reason, n)."""
    con.execute("CREATE TEMP TABLE sources (kind VARCHAR, part INTEGER, source VARCHAR)")
    con.execute("CREATE TEMP TABLE rejected (kind VARCHAR, part INTEGER, row BIGINT, reason VARCHAR)")
    con.execute("CREATE TEMP TABLE origins (kind VARCHAR, part INTEGER, row BIGINT, file VARCHAR, file_row BIGINT)")
    con.execute("CREATE TEMP TABLE cells (kind VARCHAR, reason VARCHAR, n BIGINT)")
    for kind, sources in names.items():
        for part, name in enumerate(sources):
            con.execute("INSERT INTO sources VALUES (?, ?, ?)", [kind, part, name])


def collect_rejected(con: duckdb.DuckDBPyConnection, staging: Path, kind: str) -> int:
    """Adds the staged rows of a kind that were refused, where rows come from, and cells that count as missing; returns
    how many rows were left out. Raises DataError for a column that says who people are."""
    if not any((staging / kind).glob("*/*.parquet")):
        return 0
    files = quoted(str(staging / kind / "*" / "*.parquet"))
    rows = f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"
    columns = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()]
    con.execute(f"INSERT INTO rejected SELECT '{kind}', part, n, reason FROM {rows} WHERE bucket = {REFUSED}")
    if "file" in columns:
        con.execute(
            f"INSERT INTO origins SELECT '{kind}', part, n, file, file_row FROM {rows} WHERE file IS NOT NULL AND n > 0"
        )
    if "cells" in columns:
        reasons = f"""SELECT unnest(string_split(cells, {BETWEEN_CELLS})) AS reason FROM {rows}
            WHERE bucket >= 0 AND n > 0 AND cells IS NOT NULL"""
        con.execute(
            f"INSERT INTO cells SELECT '{kind}', {WITHOUT_VALUE} AS why, count(*) FROM ({reasons}) GROUP BY why"
        )
    refuse_unzoned(con, kind, rows)
    counts = f"SELECT count(*) FILTER (bucket = {LEFT_OUT}), count(*) FILTER (bucket >= 0) FROM {rows} WHERE n > 0"
    left_out, accepted = con.execute(counts).fetchall()[0]
    refuse_personal(con, kind, accepted)
    return int(left_out)


def reject_broken(con: duckdb.DuckDBPyConnection, broken: Sequence[Broken]) -> None:
    """Adds rows of named files that could not be split; their kind is `files`."""
    for part, row in enumerate(broken):
        con.execute("INSERT INTO sources VALUES ('files', ?, ?)", [part, row.file])
        con.execute("INSERT INTO rejected VALUES ('files', ?, ?, ?)", [part, row.row, row.reason])


def refuse_personal(con: duckdb.DuckDBPyConnection, kind: str, accepted: int) -> None:
    """A column that says who people are in every other row is a mistake of the mapping: raises DataError. A cell that
    does so by accident costs the cell.
    """
    query = "SELECT reason FROM cells WHERE kind = ? AND contains(reason, ?) AND 2 * n >= ? ORDER BY n DESC LIMIT 1"
    for (reason,) in con.execute(query, [kind, PERSONAL, accepted]).fetchall():
        raise DataError(f"column {reason}, where that is meant; nothing was ingested")


def refuse_unzoned(con: duckdb.DuckDBPyConnection, kind: str, rows: str) -> None:
    """A table in which no time at all has a zone is one that was forgotten: raises DataError. rows: SQL for those that
    were staged. Taken in without its times it would have to be taken out again.
    """
    without = f"""SELECT part, min(n) AS row, arg_min(reason, n) AS reason FROM {rows}
        WHERE bucket <> {LEFT_OUT} AND n > 0 GROUP BY part
        HAVING bool_and(coalesce(contains(reason, {quoted(UNZONED)}), false))"""
    query = f"SELECT source, row, reason FROM ({without}) JOIN sources USING (part) WHERE kind = ? ORDER BY part"
    for source, row, reason in con.execute(query, [kind]).fetchall():
        raise DataError(f"{source} row {row}: {reason}, or give --time-zone; no row fits, correct the mapping")


def count_cells(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Cells of accepted rows that count as missing, by what was wrong with them, the most frequent first."""
    query = "SELECT reason, sum(n)::BIGINT AS n FROM cells GROUP BY reason ORDER BY n DESC, reason"
    return {why: int(n) for why, n in con.execute(query).fetchall()}


class NoRowFits(DataError):
    """There are rows, but none that could be taken in, or no rows at all."""


def refuse_all(con: duckdb.DuckDBPyConnection) -> None:
    """When no row at all fits, the mapping is wrong rather than the rows: raises NoRowFits, naming the first."""
    first = con.execute(f"SELECT source, row, reason FROM ({TOLD}) ORDER BY kind, part, row LIMIT 1").fetchall()
    for source, row, reason in first:
        raise NoRowFits(f"{source} row {row}: {reason}; no row fits, {_remedy(con, reason)}")
    names = con.execute("SELECT string_agg(source, ', ' ORDER BY kind, part) FROM sources").fetchall()[0][0]
    raise NoRowFits(f"{names}: there is a header, but no row; export again")


def _remedy(con: duckdb.DuckDBPyConnection, reason: str) -> str:
    """What to do where no row fits for such a reason: for times, how they are likely to be written."""
    if re.match(NO_TIME, reason) is None:
        return "correct the mapping"
    text = f"regexp_extract(reason, {quoted(NO_TIME)}, 1)"
    rows = con.execute(f"SELECT DISTINCT {text} AS text FROM rejected WHERE text <> '' LIMIT {GLANCE}").fetchall()
    texts = [text for (text,) in rows]
    formats = " or ".join(f'"{form}"' for form in likely_formats(texts))
    if formats:
        return f"say in the mapping how times are written: time_format = {formats}"
    if all(re.fullmatch(rf"{NUMBER}|[0-9.eE+]+", text) for text in texts):
        return 'say in the mapping what is counted, time_format = "epoch_s", "epoch_ms" or "epoch_us", or export dates'
    return "correct the mapping"


def write_rejected(con: duckdb.DuckDBPyConnection, before: Sequence[Path], path: Path) -> None:
    """Writes source, row and reason of this and earlier ingests (files), each once, in order."""
    rows = f"SELECT source, row, reason FROM ({TOLD})"
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
