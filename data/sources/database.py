"""Rows of a SQL database (SQLite, PostgreSQL): what a query answers, as a stream of Arrow batches of numbered texts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, CursorResult, NullPool, create_engine, make_url, text
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from data.contract import DataError, UsageError
from data.masking import masked
from data.sources.typed import text_of_float

ROWS_AT_ONCE = 50_000


@contextmanager
def asked(location: str, query: str) -> Iterator[CursorResult[Any]]:
    """The answer to a query, read as it is needed. Raises UsageError for an unknown kind of database, DataError where
    it cannot be reached or refuses. The password of the URL is in no message."""
    kind = location.split("://")[0]
    try:
        url = make_url(location)
        _require_file(url)
        engine = create_engine(url, poolclass=NullPool, execution_options={"yield_per": ROWS_AT_ONCE})
        with engine.connect() as connection, connection.execute(text(query)) as answer:
            yield answer
    except (NoSuchModuleError, ModuleNotFoundError):
        raise UsageError(f"{kind}:// is no known kind of database; write postgresql://… or sqlite:///…") from None
    except SQLAlchemyError as error:
        reason = masked(str(error).splitlines()[0])[:200]
        raise DataError(f"{kind} query failed: {reason}; nothing was ingested, check URL and query") from None


def answered_rows(
    name: str, answer: CursorResult[Any], columns: Sequence[str], ids: Collection[str]
) -> Iterator[pa.Table]:
    """Tables of `#row` (int64, 1 is the first) and the wanted columns as text; DataError for bytes that are no text.

    ids: columns in which a float or decimal that is a whole number is the text without `.0`, and NaN is none.
    """
    places, first = [list(answer.keys()).index(column) for column in columns], 1
    for chunk in answer.partitions(ROWS_AT_ONCE):
        numbers = pa.array(range(first, first + len(chunk)), pa.int64())
        texts = [
            _texts(name, first, column, [_whole(row[i]) if column in ids else row[i] for row in chunk])
            for i, column in zip(places, columns, strict=True)
        ]
        yield pa.table([numbers, *texts], names=["#row", *columns])
        first += len(chunk)


def _texts(name: str, first: int, column: str, values: Sequence[object]) -> pa.Array:
    texts: list[str | None] = []
    for row, value in enumerate(values, first):
        try:
            texts.append(_text(value))
        except UnicodeError:
            raise DataError(f"{name} row {row}: column {column!r} is no UTF-8 text; convert it in the query") from None
    return pa.array(texts, pa.string())


def _whole(value: object) -> object:
    """An id of a column of floats or decimals: a whole number where it is one, none for NaN."""
    if not isinstance(value, float | Decimal):
        return value
    if math.isnan(value):
        return None
    if isinstance(value, Decimal):
        digits = format(value, "f")
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    return text_of_float(value)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode()
    return None if value is None else str(value).encode().decode()


def _require_file(url: URL) -> None:
    """SQLite would make an empty database of a path that does not exist."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DataError(f"{url.database} is no file that can be read; check the path behind sqlite:///")
