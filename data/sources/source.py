"""Where rows come from: CSV, JSON lines, Parquet and SQL databases, each as a DuckDB view of text columns."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import DataError, UsageError
from data.quoting import named, quoted
from data.sources.checks import stripped
from data.sources.database import answered_rows, asked
from data.sources.textfiles import WHOLE_LINES, csv_header, csv_layout, text_rows

ROW, WHY = '"#row"', '"#why"'
"""Names that no export uses."""
EXACT = 2**53
"""Below this a float holds every whole number."""


@dataclass(frozen=True)
class Source:
    """A view in a DuckDB connection, to be read once. Columns: ROW (place in the source, 1 is the first), WHY (a row
    could not be split into columns, else null) and the asked-for columns as trimmed text, null where empty."""

    name: str
    view: str


def open_source(
    con: duckdb.DuckDBPyConnection,
    location: str,
    columns: Sequence[str],
    ids: Collection[str],
    delimiter: str,
    query: str | None,
) -> Source:
    """Makes a source readable. `location` is a path or a database URL (then `query` says what to ask it).

    ids: columns that hold ids; where their type is one of numbers with a fraction, a whole number is the text without
    `.0`, and NaN is none.

    Raises DataError for a file that is missing, unreadable or lacks a column, UsageError for an unknown kind.
    """
    if "://" in location:
        return _sql(con, location, columns, ids, query)
    path = Path(location)
    kind = "".join(path.suffixes[-2:]).lower().removesuffix(".gz").rpartition(".")[2]
    _require_bytes(path)
    if kind in ("csv", "tsv", "txt"):
        return _csv(con, path, columns, "\t" if kind == "tsv" else delimiter)
    if kind in ("jsonl", "ndjson"):
        return _json_lines(con, path, columns, ids)
    if kind == "parquet":
        return _parquet(con, path, columns, ids)
    raise UsageError(
        f"{path}: the ending {kind!r} is none of csv, tsv, txt, jsonl, ndjson (these also as .gz), parquet; rename it"
    )


def short_name(location: str) -> str:
    """How reports name a source: a file by its name, a database by its kind, since a URL may hold a password.

    >>> short_name("exports/events.csv"), short_name("postgresql://me:secret@db/crm")
    ('events.csv', 'postgresql query')
    """
    return location.split("://")[0] + " query" if "://" in location else Path(location).name


def readable(error: duckdb.Error, name: str) -> DataError:
    """A DuckDB error about a source as one line; one of our own that passed through DuckDB as it was."""
    _, ours, message = str(error).rpartition(f"{DataError.__module__}.DataError: ")
    reason = (message if ours else str(error)).split("\n")[0]
    if ours:
        return DataError(reason)
    if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in reason or "Could not write" in reason:
        return DataError(f"there is no room to ingest {name}: {reason[:300]}; the log is as it was, make room")
    return DataError(f"{name} cannot be read: {reason[:300]}; nothing was ingested, export it again")


def _require_bytes(path: Path) -> None:
    try:
        if not path.is_file():
            raise DataError(f"{path} is no file that can be read; check the path")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes); export it again")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); check path and permissions") from None


def _csv(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str], delimiter: str) -> Source:
    header = csv_header(path, delimiter)
    _require(path.name, header, columns)
    con.register("rows_read", text_rows(path, csv_layout(header, columns, delimiter)))
    return _view(con, path.name, "rows_read", ROW, WHY, [(name, named(name)) for name in columns])


def _json_lines(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str], ids: Collection[str]) -> Source:
    con.register("rows_read", text_rows(path, WHOLE_LINES))
    valid = f"""SELECT {ROW}, line, coalesce({WHY}, CASE WHEN NOT json_valid(line) THEN 'the line is no JSON'
        WHEN json_type(line) <> 'OBJECT' THEN 'the line is no JSON object' END) AS {WHY}"""
    picked = [
        (name, f"CASE WHEN {WHY} IS NULL THEN {_in_json(quoted(_pointer(name)), name in ids)} END") for name in columns
    ]
    return _view(con, path.name, f"({valid} FROM rows_read)", ROW, WHY, picked)


def _view(
    con: duckdb.DuckDBPyConnection, name: str, rows: str, number: str, why: str, columns: Sequence[tuple[str, str]]
) -> Source:
    """A view of trimmed texts, null where nothing is left."""
    texts = "".join(f", {stripped(sql)} AS {named(column)}" for column, sql in columns)
    con.execute(f"CREATE OR REPLACE VIEW rows_in AS SELECT {number} AS {ROW}, {why} AS {WHY}{texts} FROM {rows}")
    return Source(name, "rows_in")


def _in_json(pointer: str, is_id: bool) -> str:
    text = f"json_extract_string(line, {pointer})"
    if not is_id:
        return text
    return f"CASE json_type(line, {pointer}) WHEN 'DOUBLE' THEN {_whole(f'{text}::DOUBLE')} ELSE {text} END"


def _whole(number: str) -> str:
    """SQL for the text of a float that is an id."""
    return f"""CASE WHEN {number} = trunc({number}) AND abs({number}) < {EXACT} THEN {number}::BIGINT::VARCHAR
        WHEN NOT isnan({number}) THEN {number}::VARCHAR END"""


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str], ids: Collection[str]) -> Source:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no Parquet file: {str(error).splitlines()[0][:200]}; export it again") from None
    _require(path.name, schema.names, columns)
    file = f"read_parquet({quoted(str(path))}, file_row_number = true)"
    texts = [(name, _typed(named(name), schema.field(name).type, name in ids)) for name in columns]
    return _view(con, path.name, file, "file_row_number + 1", "NULL::VARCHAR", texts)


def _typed(column: str, kind: pa.DataType, is_id: bool) -> str:
    """SQL for the text of a column of this type; categories, as pandas writes them, are what they are made of."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_id and pa.types.is_floating(kind):
        return _whole(column)
    fraction = is_id and pa.types.is_decimal(kind) and kind.scale > 0
    return f"rtrim(rtrim({column}::VARCHAR, '0'), '.')" if fraction else f"{column}::VARCHAR"


def _sql(
    con: duckdb.DuckDBPyConnection, url: str, columns: Sequence[str], ids: Collection[str], query: str | None
) -> Source:
    if query is None:
        raise UsageError('a database needs a query; add query = "SELECT …" to the mapping\'s [events] or [leads]')
    name, texts = short_name(url), [(column, named(column)) for column in columns]
    typed = "".join(f", {sql} VARCHAR" for _, sql in texts)
    con.execute(f"CREATE OR REPLACE TEMP TABLE answers ({ROW} BIGINT{typed})")
    with asked(url, query) as answer:
        _require(name, list(answer.keys()), columns)
        for batch in answered_rows(name, answer, columns, ids):
            con.register("batch", batch)
            con.execute("INSERT INTO answers SELECT * FROM batch")
            con.unregister("batch")
    return _view(con, name, "answers", ROW, "NULL::VARCHAR", texts)


def _require(name: str, present: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if present.count(column) > 1:
            raise DataError(f"{name}: column {column!r} stands twice; rename one of them")
        if column not in present:
            close = difflib.get_close_matches(column, present, n=1, cutoff=0.4)
            hint = f"the nearest is {close[0]!r}" if close else f"it has {', '.join(present)[:200]}"
            raise DataError(f"{name} has no column {column!r}; {hint}: correct the mapping")
