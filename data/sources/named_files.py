"""Files that queries see, each as a table of its own: Parquet beside the log, for as long as an ingest lasts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data.contract import UsageError
from data.quoting import named, quoted
from data.sources.checks import filled
from data.sources.file_format import FileFormat
from data.sources.json_rows import checked_lines, json_types
from data.sources.locations import DELIMITED, JSON, JSON_LINES, SPREADSHEETS, kind_of, require_bytes
from data.sources.mapping import Mapping as SourceMapping
from data.sources.source import PLAIN, ROW, WHY, head_of, lines_of, parquet_file, parquet_schema
from data.sources.spreadsheets import sheet_names, sheet_rows
from data.sources.textfiles import text_rows

OWN_NAME = '"#name"'
NUMBER, NAME = "file_row_number", "filename"
"""Columns that every table has, unless the file has one of that name."""


@dataclass(frozen=True)
class NamedTable:
    """A name that queries use, and the Parquet files behind it: the columns of a file, NUMBER and NAME, ROW, OWN_NAME,
    and WHY where a row could not be split."""

    name: str
    paths: tuple[Path, ...]

    @property
    def sql(self) -> str:
        """Its good rows."""
        files = ", ".join(quoted(str(path)) for path in self.paths)
        rows = f"read_parquet([{files}], union_by_name = true)"
        return f"SELECT * EXCLUDE ({ROW}, {WHY}, {OWN_NAME}) FROM {rows} WHERE {WHY} IS NULL"


@dataclass(frozen=True)
class Broken:
    """A row of a named file that could not be split."""

    file: str
    row: int
    reason: str


def write_tables(
    con: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[str]], mapping: SourceMapping, out: Path
) -> list[NamedTable]:
    """Every file as Parquet in a folder.

    Text files and spreadsheets have columns of text, null where nothing is known; JSON has the types of its values,
    nested ones as structures and lists; Parquet its own. Raises DataError for a file that cannot be read.
    """
    out.mkdir(parents=True)
    tables = list[NamedTable]()
    for name, locations in files.items():
        _require_name(name)
        paths = tuple(out / f"{len(tables)}-{place}.parquet" for place in range(len(locations)))
        for location, path in zip(locations, paths, strict=True):
            _write(con, Path(location), mapping.format_of(name), path)
        tables.append(NamedTable(name, paths))
    return tables


def rows_of_files(con: duckdb.DuckDBPyConnection, tables: Sequence[NamedTable]) -> tuple[int, list[Broken]]:
    """How many rows the files have, and those that could not be split."""
    count, broken = 0, list[Broken]()
    for path in (path for table in tables for path in table.paths):
        rows = f"read_parquet({quoted(str(path))})"
        count += con.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
        bad = con.execute(f"SELECT {OWN_NAME}, {ROW}, {WHY} FROM {rows} WHERE {WHY} IS NOT NULL ORDER BY ALL")
        broken += [Broken(*row) for row in bad.fetchall()]
    return count, broken


def _require_name(name: str) -> None:
    if not name.replace("_", "a").isalnum() or name[:1].isdigit():
        raise UsageError(f"--file {name}=…: a name has letters, digits and _, like contacts; rename it")


def _write(con: duckdb.DuckDBPyConnection, path: Path, form: FileFormat, out: Path) -> None:
    require_bytes(path)
    kind = kind_of(path)
    if kind in (*JSON_LINES, *JSON):
        rows, columns = f"({checked_lines(ROW, WHY)})", _json_columns(con, path, kind, form)
        con.register("rows_read", lines_of(path, kind, form))
    elif kind in DELIMITED:
        head, rows = head_of(path, kind, form), "rows_read"
        columns = _texts(con, text_rows(path, head.layout(list(filter(None, head.names))), form.encoding), form)
    elif kind in SPREADSHEETS:
        names, rows = sheet_names(path, form), "rows_read"
        columns = _texts(con, sheet_rows(path, form, list(filter(None, names))), form)
    else:
        names = parquet_schema(path).names
        columns = {name: named(theirs) for name, theirs in zip(form.own_names(names), names, strict=True)}
        rows = f"(SELECT *, file_row_number + 1 AS {ROW}, NULL::VARCHAR AS {WHY} FROM {parquet_file(path)})"
    added = {NUMBER: ROW, NAME: quoted(path.name)} | dict.fromkeys(form.optional, "NULL::VARCHAR")
    present = {name.lower() for name in columns}
    columns |= {name: sql for name, sql in added.items() if name.lower() not in present}
    selected = ", ".join(f"{sql} AS {named(name)}" for name, sql in columns.items())
    con.execute(
        f"""COPY (SELECT {selected}, {ROW}, {WHY}, {quoted(path.name)} AS {OWN_NAME} FROM {rows})
        TO {quoted(str(out))} (FORMAT parquet, COMPRESSION lz4)"""
    ).fetchall()


def _texts(con: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, form: FileFormat) -> dict[str, str]:
    """SQL for columns of text, of rows that become `rows_read`; of names that differ only in case the later ones get a
    number, as DuckDB does it."""
    names: list[str] = []
    for name in reader.schema.names:
        taken, unique, number = {column.lower() for column in names}, name, 0
        while unique.lower() in taken:
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    schema = pa.schema([(name, field.type) for name, field in zip(names, reader.schema, strict=True)])
    con.register(
        "rows_read", pa.RecordBatchReader.from_batches(schema, (batch.rename_columns(names) for batch in reader))
    )
    return {name: filled(named(name), form.nothing) for name in names if named(name) not in (ROW, WHY, PLAIN)}


def _json_columns(con: duckdb.DuckDBPyConnection, path: Path, kind: str, form: FileFormat) -> dict[str, str]:
    types = json_types(con, lines_of(path, kind, form))
    lines = f"CASE WHEN {WHY} IS NULL THEN line END"
    names = dict(zip(types, form.own_names(list(types)), strict=True))
    return {names[key]: _json_value(lines, key, inner) for key, inner in types.items()}


def _json_value(line: str, key: str, kind: Any) -> str:
    structure = quoted(json.dumps({key: kind}))
    return f"json_transform({line}, {structure})[{quoted(key)}]"
