"""A whole labelled table in memory: CSV or Parquet, words and numbers told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contract import DataError, UsageError
from data.sources.textfiles import csv_head, text_rows

POSITIVE, NEGATIVE = ("1", "1.0", "true", "yes", "y", "won", "ja"), ("0", "0.0", "false", "no", "n", "lost", "nein")


def read_plain_table(path: Path, missing: Sequence[str] = ()) -> pa.Table:
    """All rows of a CSV (also .gz, delimiter found in the header) or Parquet file; columns are float64 or strings.

    missing: words that mean nothing is known, as an empty field does. Times in Parquet become µs UTC.
    Raises DataError for a file that cannot be read or holds no rows, or a row that cannot be split.
    """
    table = read_rows(path)
    return pa.table({name: _numbers_or_words(table.column(name), ("", *missing)) for name in table.column_names})


def read_rows(path: Path) -> pa.Table:
    """The rows as they stand: texts in CSV, any type in Parquet. Raises DataError as `read_plain_table` does."""
    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0][:200]})") from None
    else:
        table = _csv(path)
    if not len(table):
        raise DataError(f"{path} holds no rows below its header; export it again")
    return table


def outcomes(table: pa.Table, target: str, positive: str | None = None) -> pa.ChunkedArray:
    """float64, 1 where the target column has the positive value, 0 elsewhere, null where it is empty.

    Without a positive value 1, yes, true … count. Raises UsageError when there is no such column or value.
    """
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column_of(table, target).cast(pa.string())))
    words = pc.if_else(pc.equal(words, ""), None, words)
    values = sorted(pc.unique(words).drop_null().to_pylist())
    wanted = POSITIVE if positive is None else (positive.lower(),)
    unclear = positive is None and not set(values) <= {*POSITIVE, *NEGATIVE}
    if unclear or not set(values) & set(wanted):
        shown = ", ".join(values[:5])
        raise UsageError(f"target {target!r} holds {shown}: say with --positive which one is a conversion")
    won = pc.is_in(words, pa.array(wanted)).cast(pa.float64())
    return pc.if_else(pc.is_valid(words), won, pa.scalar(None, pa.float64()))


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column. Raises UsageError, with the names that there are, when there is none."""
    if name not in table.column_names:
        raise UsageError(f"there is no column {name!r}; there are {', '.join(table.column_names[:40])}")
    return table.column(name)


def _csv(path: Path) -> pa.Table:
    head = csv_head(path)
    names = list(filter(None, head.names))
    table = text_rows(path, head.layout(names)).read_all()
    broken = table.filter(pc.is_valid(table.column("#why")))
    if len(broken):
        number, why = broken.column("#row")[0].as_py(), broken.column("#why")[0].as_py()
        raise DataError(f"{path} row {number}: {why}; export it again")
    return table.select(names)


def _numbers_or_words(column: pa.ChunkedArray, nothing: Sequence[str]) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64())
    words = pc.utf8_trim_whitespace(column.cast(pa.string()))
    words = pc.if_else(pc.is_in(words, pa.array(nothing)), None, words)
    try:
        return words.cast(pa.float64()) if words.null_count < len(words) else words
    except pa.ArrowInvalid:
        return words
