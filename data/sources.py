"""Where rows come from: CSV, JSON lines, Parquet and SQL databases, each as a DuckDB view of text columns."""

from __future__ import annotations

import csv
import difflib
import gzip
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from data.contract import DataError, UsageError

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Source:
    """A view in a DuckDB connection. Columns: `n` (row in the source, 1 is the first), `broken` (why a row could not
    be split into columns, else null) and the asked-for columns as text."""

    name: str
    view: str


def open_source(
    con: duckdb.DuckDBPyConnection, location: str, columns: Sequence[str], delimiter: str, query: str | None
) -> Source:
    """Makes a source readable. `location` is a path or a database URL (then `query` says what to ask it).

    Raises DataError for a file that is missing, unreadable or lacks a column, UsageError for an unknown kind.
    """
    if "://" in location:
        return _sql(con, location, columns, query)
    path = Path(location)
    kind = "".join(path.suffixes[-2:]).lower().removesuffix(".gz").rpartition(".")[2]
    if not path.is_file():
        raise DataError(f"{path} is no file that can be read; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); export it again")
    if kind in ("csv", "tsv", "txt"):
        return _csv(con, path, columns, "\t" if kind == "tsv" else delimiter)
    if kind in ("jsonl", "ndjson"):
        return _json_lines(con, path, columns)
    if kind == "parquet":
        return _parquet(con, path, columns)
    raise UsageError(f"{path}: the ending {kind!r} is none of csv, jsonl, ndjson, parquet (csv and jsonl also as .gz)")


def readable(error: duckdb.Error, name: str) -> DataError:
    """A DuckDB error about a source as one line."""
    reason = str(error).split("\n")[0]
    if "GZIP" in reason:
        reason = "the gzip stream ends early or is damaged"
    return DataError(f"{name} cannot be read: {reason[:300]}; nothing was ingested, export it again")


def quoted(value: str) -> str:
    """A SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def named(value: str) -> str:
    """A SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def _csv(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str], delimiter: str) -> Source:
    header = _header(path, delimiter)
    _require(path.name, header, columns)
    types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header)
    wanted = ", ".join(f"nullif(trim({named(name)}), '') AS {named(name)}" for name in columns)
    # A line that cannot be split goes to reject_errors; its number is made good by `data.staging`.
    con.execute(
        f"""CREATE OR REPLACE VIEW rows_in AS SELECT row_number() OVER () AS n, NULL::VARCHAR AS broken, {wanted}
        FROM read_csv({quoted(str(path))},
        auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '"', escape = '"', all_varchar = true,
        store_rejects = true, strict_mode = true, nullstr = '', columns = {{{types}}})"""
    )
    return Source(path.name, "rows_in")


def _header(path: Path, delimiter: str) -> list[str]:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            line = file.readline(1_000_000)
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be read as text: {error}; export it again as UTF-8") from None
    header = next(csv.reader([line], delimiter=delimiter), [])
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header; rename one of them")
    return header


def _json_lines(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]) -> Source:
    wanted = ", ".join(
        f"nullif(trim(json_extract_string(line, {quoted(_pointer(c))})), '') AS {named(c)}" for c in columns
    )
    nothing = ", ".join(f"NULL::VARCHAR AS {named(name)}" for name in columns)
    lines = f"""SELECT row_number() OVER () AS n, line, json_valid(line) AS valid FROM read_csv({quoted(str(path))},
        auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', columns = {{'line': 'VARCHAR'}},
        max_line_size = 16777216)"""
    con.execute(
        f"""CREATE OR REPLACE VIEW rows_in AS WITH lines AS ({lines})
        SELECT n, NULL AS broken, {wanted} FROM lines WHERE valid UNION ALL
        SELECT n, 'the line is no JSON' AS broken, {nothing} FROM lines WHERE NOT coalesce(valid, false)"""
    )
    return Source(path.name, "rows_in")


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]) -> Source:
    try:
        present = pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no Parquet file: {str(error).splitlines()[0][:200]}; export it again") from None
    _require(path.name, present, columns)
    wanted = ", ".join(f"nullif(trim({named(name)}::VARCHAR), '') AS {named(name)}" for name in columns)
    con.execute(
        f"""CREATE OR REPLACE VIEW rows_in AS SELECT file_row_number + 1 AS n, NULL AS broken, {wanted}
        FROM read_parquet({quoted(str(path))}, file_row_number = true)"""
    )
    return Source(path.name, "rows_in")


def _sql(con: duckdb.DuckDBPyConnection, url: str, columns: Sequence[str], query: str | None) -> Source:
    if query is None:
        raise UsageError('a database needs a query; add query = "SELECT …" to the mapping\'s [events] or [leads]')
    name = url.split("://")[0] + " query"
    try:
        engine = create_engine(url)
        with engine.connect().execution_options(yield_per=ROWS_AT_ONCE) as connection:
            result = connection.execute(text(query))
            _require(name, list(result.keys()), columns)
            places = [list(result.keys()).index(column) for column in columns]
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE asked (n BIGINT, {', '.join(f'{named(c)} VARCHAR' for c in columns)})"
            )
            for batch in _batches(result, places, columns):
                con.register("batch", batch)
                con.execute("INSERT INTO asked SELECT * FROM batch")
                con.unregister("batch")
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise DataError(f"{name} failed: {str(error).splitlines()[0][:200]}; check URL and query") from None
    con.execute("CREATE OR REPLACE VIEW rows_in AS SELECT n, NULL AS broken, * EXCLUDE n FROM asked")
    return Source(name, "rows_in")


def _batches(result: object, places: Sequence[int], columns: Sequence[str]) -> Iterator[pa.Table]:
    rows = iter(result)  # type: ignore[call-overload]
    first = 1
    while chunk := list(itertools.islice(rows, ROWS_AT_ONCE)):
        texts = [pa.array([_text(row[place]) for row in chunk], pa.string()) for place in places]
        numbers = pa.array(range(first, first + len(chunk)), pa.int64())
        yield pa.table([numbers, *texts], names=["n", *columns])
        first += len(chunk)


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def _require(name: str, present: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column not in present:
            close = difflib.get_close_matches(column, present, n=1, cutoff=0.4)
            hint = f"the nearest is {close[0]!r}" if close else f"it has {', '.join(present)[:200]}"
            raise DataError(f"{name} has no column {column!r}; {hint}: correct the mapping")
