"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Connection, Double, Table, Text, cast, func, select

from serving.store.database.connection import insert

Cell = str | float | bool | None
"""A value of a row; whole numbers are floats to a type checker."""
ARRAYS: Mapping[type, ARRAY[Any]] = {
    str: ARRAY(Text()),
    int: ARRAY(BigInteger()),
    float: ARRAY(Double()),
    bool: ARRAY(Boolean()),
}


def insert_many(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Cell]], finish: Callable[[Any], Any]
) -> list[tuple[Any, ...]]:
    """Inserts rows, at least one, all with the same columns; what `finish` has them return.

    finish: adds RETURNING, and ON CONFLICT where need be, to the INSERT. PostgreSQL takes rows as one array for each
    column: a parameter for each value would cost several times as much.
    """
    statement = insert(connection, table)
    if connection.dialect.name == "sqlite":
        return [tuple(row) for row in connection.execute(finish(statement), rows)]
    names = list(rows[0])
    columns: list[Any] = []
    for name in names:
        kind = ARRAYS[table.c[name].type.python_type]
        columns.append(func.unnest(cast([row[name] for row in rows], kind)))
    filled = statement.from_select(names, select(*columns))
    return [tuple(row) for row in connection.execute(finish(filled))]
