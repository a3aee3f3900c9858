"""Where rows come from: files, SQL databases and queries over named files, each as a DuckDB view of text columns."""

from __future__ import annotations

import csv
import difflib
import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import DataError, UsageError
from data.quoting import named, quoted
from data.sources.checks import filled
from data.sources.database import answered_rows, asked
from data.sources.file_format import FileFormat
from data.sources.json_documents import json_lines
from data.sources.json_rows import absent_columns, checked_lines, json_text
from data.sources.locations import (
    DELIMITED,
    JSON,
    JSON_LINES,
    SPREADSHEETS,
    is_database,
    kind_of,
    require_bytes,
    short_name,
)
from data.sources.spreadsheets import sheet_names, sheet_rows
from data.sources.tables import Table
from data.sources.textfiles import DELIMITERS, WHOLE_LINES, Head, csv_head, rows_of, text_rows, top_lines
from data.sources.typed import text_of
from data.sources.utf8 import utf8_blocks

ROW, WHY, PLAIN, FILE, FILE_ROW = '"#row"', '"#why"', '"#plain"', '"#file"', '"#file_row"'
"""Names that no export uses."""

ONLY_EMPTY = ("",)
NO_ROOM = ("Out of Memory", "No space left", "Could not write")
"""How the engine begins to say so."""


@dataclass(frozen=True)
class Source:
    """A view in a DuckDB connection, to be read once. Columns: ROW (place in the source, 1 is the first), WHY (a row
    could not be split into columns, else null), PLAIN (each text is its own id: none needs a look at its signs) and the
    asked-for columns as trimmed text, null where nothing is known.

    has_origin: whether it has columns FILE and FILE_ROW too, which say where a row comes from.
    """

    name: str
    view: str
    has_origin: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a table asks of a source, by its columns, and how its files are written."""

    table: Table
    form: FileFormat

    @property
    def columns(self) -> list[str]:
        return self.table.columns

    @property
    def optional(self) -> tuple[str, ...]:
        """Columns that may be missing, as the table or its file says."""
        return self.table.optional + self.form.optional

    @property
    def required(self) -> list[str]:
        """Columns that must be there."""
        return [column for column in self.columns if column not in self.optional]

    def texts(self, texts: Mapping[str, str]) -> dict[str, str]:
        """SQL for each column, in their order; null for optional ones that are not there."""
        return {name: texts.get(name, "NULL::VARCHAR") for name in self.columns}

    def present(self, name: str, present: Sequence[str]) -> list[str]:
        """The columns that are to be read. Raises DataError for one that is not there, or stands twice."""
        for column in self.columns:
            if present.count(column) > 1:
                raise DataError(f"{name}: column {column!r} stands twice; rename one of them")
            if column not in present and column not in self.optional:
                raise no_column(name, column, present)
        return [column for column in self.columns if column in present]


def open_source(con: duckdb.DuckDBPyConnection, location: str, wanted: Wanted) -> Source:
    """Makes a source readable. `location` is a path or a database URL (then the table's query says what to ask it).

    Raises DataError for a file that is missing, unreadable or lacks a column, UsageError for an unknown kind.
    """
    if is_database(location):
        return _sql(con, location, wanted)
    path = Path(location)
    require_bytes(path)
    kind = kind_of(path)
    if kind in DELIMITED:
        return _csv(con, path, kind, wanted)
    if kind in (*JSON_LINES, *JSON):
        return _json(con, path, kind, wanted)
    return _spreadsheet(con, path, wanted) if kind in SPREADSHEETS else _parquet(con, path, wanted)


def readable(error: duckdb.Error, name: str) -> DataError:
    """A DuckDB error about a source as one line; one of our own that passed through DuckDB as it was."""
    _, ours, message = str(error).rpartition(f"{DataError.__module__}.DataError: ")
    reason = (message if ours else str(error)).split("\n")[0]
    if ours:
        return DataError(reason)
    if any(words in reason for words in NO_ROOM):
        return DataError(f"there is no room to ingest {name}: {reason[:300]}; the log is as it was, make room")
    return DataError(f"{name} cannot be read: {reason[:300]}; nothing was ingested, export it again")


def no_column(name: str, column: str, present: Sequence[str]) -> DataError:
    """What to say of a column that is not there."""
    close = difflib.get_close_matches(column, present, n=1, cutoff=0.4)
    hint = f"the nearest is {close[0]!r}" if close else f"it has {', '.join(present)[:200]}"
    return DataError(f"{name} has no column {column!r}; {hint}: correct the mapping")


def head_of(path: Path, kind: str, form: FileFormat, columns: Sequence[str] = ()) -> Head:
    """The top of a CSV file, which should name these columns; one that ends in .tsv has tabs."""
    delimiter = "\t" if kind == "tsv" else form.delimiter
    head = csv_head(path, delimiter, form.encoding, columns, form.header, form.skip)
    names = form.own_names(head.names)
    if not set(columns) <= {*names}:
        lines = top_lines(path, form.encoding, form.skip)
        for sign in delimiter or DELIMITERS:
            form.require_top(path, csv.reader(lines, delimiter=sign), columns)
    return replace(head, names=names)


def lines_of(path: Path, kind: str, form: FileFormat, columns: Sequence[str] = ()) -> pa.RecordBatchReader:
    """The lines of a JSON file, a row each."""
    if kind in JSON_LINES:
        return rows_of(utf8_blocks(path, form.encoding), WHOLE_LINES)
    return rows_of(json_lines(path, form.encoding, form.rows, columns), WHOLE_LINES)


def parquet_file(path: Path) -> str:
    """SQL for the rows of a Parquet file, whatever signs its name holds."""
    return f"read_parquet({quoted(glob.escape(str(path)))}, file_row_number = true)"


def parquet_schema(path: Path) -> pa.Schema:
    """Its columns. Raises DataError for what is no Parquet file."""
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no Parquet file: {str(error).splitlines()[0][:200]}; export it again") from None


def view_of(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    rows: str,
    leading: str,
    texts: Mapping[str, str],
    nothing: Sequence[str],
    plain: str = "false",
) -> Source:
    """A view of trimmed texts, null where they are one of the words for nothing. leading: SQL for ROW, WHY and what
    tells the origin; plain: for PLAIN."""
    columns = "".join(f", {filled(sql, nothing, plain)} AS {named(column)}" for column, sql in texts.items())
    con.execute(f"CREATE OR REPLACE VIEW {source.view} AS SELECT {leading}, {plain} AS {PLAIN}{columns} FROM {rows}")
    return source


def _csv(con: duckdb.DuckDBPyConnection, path: Path, kind: str, wanted: Wanted) -> Source:
    head = head_of(path, kind, wanted.form, wanted.required)
    columns = wanted.present(path.name, head.names)
    con.register("rows_read", text_rows(path, head.layout(columns, wanted.form.nothing), wanted.form.encoding))
    texts = wanted.texts({name: named(name) for name in columns})
    return view_of(con, Source(path.name, "rows_in"), "rows_read", f"{ROW}, {WHY}", texts, ONLY_EMPTY, PLAIN)


def _spreadsheet(con: duckdb.DuckDBPyConnection, path: Path, wanted: Wanted) -> Source:
    columns = wanted.present(path.name, sheet_names(path, wanted.form, wanted.required))
    con.register("rows_read", sheet_rows(path, wanted.form, columns))
    return _view(con, path.name, "rows_read", wanted, {name: named(name) for name in columns})


def _json(con: duckdb.DuckDBPyConnection, path: Path, kind: str, wanted: Wanted) -> Source:
    paths = {name: wanted.form.names_of(name) for name in wanted.columns}
    needed = {name: paths[name] for name in wanted.columns if name not in wanted.optional}
    absent, names = absent_columns(con, lines_of(path, kind, wanted.form, wanted.columns), needed)
    if absent and names:
        raise no_column(path.name, absent[0], names)
    con.register("rows_read", lines_of(path, kind, wanted.form, wanted.columns))
    ids = wanted.table.ids
    texts = {name: f"CASE WHEN {WHY} IS NULL THEN {json_text(some, name in ids)} END" for name, some in paths.items()}
    return _view(con, path.name, f"({checked_lines(ROW, WHY)})", wanted, texts)


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, wanted: Wanted) -> Source:
    schema = parquet_schema(path)
    theirs = dict(zip(wanted.form.own_names(schema.names), schema.names, strict=True))
    columns = wanted.present(path.name, wanted.form.own_names(schema.names))
    ids = wanted.table.ids
    texts = {name: text_of(named(theirs[name]), schema.field(theirs[name]).type, name in ids) for name in columns}
    leading = f"file_row_number + 1 AS {ROW}, NULL::VARCHAR AS {WHY}"
    return view_of(
        con, Source(path.name, "rows_in"), parquet_file(path), leading, wanted.texts(texts), wanted.form.nothing
    )


def _view(con: duckdb.DuckDBPyConnection, name: str, rows: str, wanted: Wanted, texts: Mapping[str, str]) -> Source:
    return view_of(con, Source(name, "rows_in"), rows, f"{ROW}, {WHY}", wanted.texts(texts), wanted.form.nothing)


def _sql(con: duckdb.DuckDBPyConnection, url: str, wanted: Wanted) -> Source:
    if wanted.table.query is None:
        raise UsageError('a database needs a query; add query = "SELECT …" to the mapping\'s [events] or [leads]')
    name = short_name(url)
    with asked(url, wanted.table.query) as answer:
        columns = wanted.present(name, list(answer.keys()))
        typed = "".join(f", {named(column)} VARCHAR" for column in columns)
        con.execute(f"CREATE OR REPLACE TEMP TABLE answers ({ROW} BIGINT{typed})")
        for batch in answered_rows(name, answer, columns, wanted.table.ids):
            con.register("batch", batch)
            con.execute("INSERT INTO answers SELECT * FROM batch")
            con.unregister("batch")
    texts = {column: named(column) for column in columns}
    leading = f"{ROW}, NULL::VARCHAR AS {WHY}"
    return view_of(con, Source(name, "rows_in"), "answers", leading, wanted.texts(texts), wanted.form.nothing)
