"""Columns of JSON rows, by key or path, in SQL; whether they are there at all, and of which types they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa

from data.quoting import quoted
from data.sources.json_documents import paths_of
from data.sources.typed import whole_number

NO_JSON, NO_OBJECT = "the line is no JSON", "the line is no JSON object"
FIRST_LOOK, SHOWN = 1000, 200
WIDE = 500
"""Objects with more keys are tables of their own rather than columns: they stay JSON."""


def checked_lines(row: str, why: str) -> str:
    """SQL for lines with what is wrong with them."""
    return f"""SELECT {row}, line, coalesce({why}, CASE WHEN NOT json_valid(line) THEN {quoted(NO_JSON)}
        WHEN json_type(line) <> 'OBJECT' THEN {quoted(NO_OBJECT)} END) AS {why} FROM rows_read"""


def json_text(names: Sequence[str], is_id: bool) -> str:
    """SQL for the text under the first of some names in `line` that has one; an id that is a float is a whole number
    where it is one."""
    texts = [_text_at(quoted(pointer), is_id) for name in names for pointer in _pointers(name)]
    return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"


def absent_columns(
    con: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch], columns: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Columns that no row has under any of their names, and the names that the first rows have; reads no further than
    it must."""
    wanted, names = list(columns), list[str]()
    for batch in _first_small(batches):
        con.register("some_lines", pa.table({"line": batch.column("line")}))
        names = names or _names(batch)
        tests = ", ".join(f"coalesce(bool_or({_is_there(columns[name])}), false)" for name in wanted)
        is_there = con.execute(f"SELECT {tests} FROM some_lines WHERE json_valid(line)").fetchall()[0]
        con.unregister("some_lines")
        wanted = [name for name, there in zip(wanted, is_there, strict=True) if not there]
        if not wanted:
            break
    return wanted, names


def json_types(con: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader) -> dict[str, Any]:
    """The structure of all rows of a reader of lines, as `json_transform` takes it, by key."""
    con.register("all_lines", reader)
    structure = con.execute(
        """SELECT json_group_structure(line::JSON) FROM all_lines
        WHERE CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' END"""
    ).fetchall()[0][0]
    con.unregister("all_lines")
    types = json.loads(structure) if structure else {}
    return {key: _plain(inner) for key, inner in types.items()} if isinstance(types, dict) else {}


def _plain(kind: Any) -> Any:
    """What is of several types, or of none, is text."""
    if isinstance(kind, dict) and 0 < len(kind) <= WIDE:
        return {key: _plain(inner) for key, inner in kind.items()}
    if isinstance(kind, list):
        return [_plain(inner) for inner in kind]
    return kind if isinstance(kind, str) and kind not in ("NULL", "JSON") else "VARCHAR"


def _text_at(pointer: str, is_id: bool) -> str:
    text = f"json_extract_string(line, {pointer})"
    if not is_id:
        return text
    return f"CASE json_type(line, {pointer}) WHEN 'DOUBLE' THEN {whole_number(f'{text}::DOUBLE')} ELSE {text} END"


def _pointers(name: str) -> list[str]:
    return ["".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys) for keys in paths_of(name)]


def _is_there(names: Sequence[str]) -> str:
    pointers = (pointer for name in names for pointer in _pointers(name))
    return " OR ".join(f"json_type(line, {quoted(pointer)}) IS NOT NULL" for pointer in pointers)


def _first_small(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Most columns are in the first rows."""
    for place, batch in enumerate(batches):
        if place == 0:
            yield batch.slice(0, FIRST_LOOK)
        yield batch


def _names(batch: pa.RecordBatch) -> list[str]:
    names: dict[str, None] = {}
    for line in islice(batch.column("line").to_pylist(), SHOWN):
        try:
            names |= dict.fromkeys(_flat(json.loads(line)))
        except (ValueError, RecursionError):
            continue
    return list(names)


def _flat(value: Any, before: str = "", depth: int = 5) -> Sequence[str]:
    """The paths in an object."""
    if not isinstance(value, dict) or not depth:
        return [before] if before else []
    here = [before] if before else []
    return here + [
        path for key, inner in value.items() for path in _flat(inner, f"{before}.{key}".strip("."), depth - 1)
    ]
