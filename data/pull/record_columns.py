"""From a vendor's records to rows of tables: the columns that a table names, as text, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from data.contract import DataError
from data.pull.connector import TablePart

Row = dict[str, str | None]


def kept_rows(record: Any, table: TablePart) -> Iterator[Row]:
    """The rows that a record has for a table. Raises DataError for a record, or a column, that is of another kind.

    >>> table = TablePart(name="stages", rows="history.*.*", columns={"id": "$.id", "what": "*", "value": "value"})
    >>> list(kept_rows({"id": 7, "email": "…", "history": {"stage": [{"value": "lead"}]}}, table))
    [{'id': '7', 'what': 'stage', 'value': 'lead'}]
    """
    if not isinstance(record, dict):
        raise DataError(f"table {table.name}: a record is {_shown(record)} instead of an object; correct data_selector")
    for key, row in _walk(record, [part for part in table.rows.split(".") if part], ""):
        if all(at(row, path) in words for path, words in table.only.items()):
            yield {name: _cell(table, name, path, record, row, key) for name, path in table.columns.items()}


def at(record: Any, path: str) -> Any:
    """What stands at a path of keys; None where there is nothing."""
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _walk(value: Any, parts: list[str], key: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        if value is not None:
            yield key, value
    elif parts[0] != "*":
        yield from _walk(value.get(parts[0]) if isinstance(value, dict) else None, parts[1:], key)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, parts[1:], name)
    else:
        for inner in value if isinstance(value, list) else ():
            yield from _walk(inner, parts[1:], key)


def _cell(table: TablePart, name: str, path: str, record: Any, row: Any, key: str) -> str | None:
    if path == "*":
        return key
    if path == "@id":
        path = "$.@id"
    value = at(record, path[2:]) if path.startswith("$.") else at(row, path)
    if isinstance(value, dict | list):
        raise DataError(f"table {table.name}: column {name} ({path}) holds {_shown(value)}; name a path inside it")
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _shown(value: Any) -> str:
    """What kind of thing it is; what it says may be personal."""
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"
