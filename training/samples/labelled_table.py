"""A plain labelled table, such as an export without histories, as a sample: rows in order of time, one lead each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from data.sources.plain_table import column_of, outcomes, read_plain_table
from training.samples.log_odds import Array
from training.samples.sample import Sample


def read_labelled(
    path: Path,
    target: str,
    positive: str | None = None,
    drop: Sequence[str] = (),
    lead: str | None = None,
    time: str | None = None,
    missing: Sequence[str] = (),
) -> Sample:
    """Reads a CSV or Parquet file with one row per moment, as `read_plain_table` does.

    target: the column of the outcome. positive: the value that means conversion; without it yes, true, 1 … drop:
    columns that are no features. lead: column of ids, for intervals by lead; without it each row is one. time: column
    to sort by (ISO dates or numbers); without it the order of the file is time, and `as_of` is the number of the row.
    missing: texts that mean nothing is known. Every row is mature. Raises UsageError for a column that is not there,
    DataError for a file that cannot be read and for outcomes that are not two values.
    """
    table = read_plain_table(path, missing)
    others = [column for column in (lead, time) if column is not None]
    for name in (target, *drop, *others):
        column_of(table, name)
    if time is not None:
        at = _times(table.column(time), time, path)
        table = table.take(pa.array(np.argsort(at, kind="stable")))
        as_of = np.sort(at)
    else:
        as_of = np.arange(len(table))
    y = _both(outcomes(table, target, positive), target, path)
    ids = np.arange(len(table)).astype(str) if lead is None else table.column(lead).cast(pa.string()).to_numpy()
    features = table.drop_columns([*dict.fromkeys([target, *drop, *others])])
    return Sample.of_labels(_features(features), y, np.ones(len(y)), ids.astype(np.str_), as_of)


def _both(known: pa.ChunkedArray, target: str, path: Path) -> Array:
    """float64[n], 0/1. Raises DataError for an outcome that is not known, and where all are the same."""
    if known.null_count:
        raise DataError(f"{path}: {known.null_count} rows have no {target!r}; take rows of known outcome only")
    y: Array = known.to_numpy()
    if not 0 < y.sum() < len(y):
        raise DataError(f"{path}: {int(y.sum())} of {len(y)} rows converted by {target!r}; both kinds are needed")
    return y


def _times(column: pa.ChunkedArray, name: str, path: Path) -> NDArray[np.int64]:
    """Numbers as they are, dates as µs UTC."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")) if pa.types.is_string(column.type) else (pa.int64(),):
        try:
            times = column.cast(kind, safe=False).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        if not times.null_count:
            return np.asarray(times.to_numpy(), np.int64)
    raise DataError(f"{path}: {name!r} cannot be sorted as time: each row needs a number or an ISO date")


def _features(table: pa.Table) -> pa.Table:
    """As training sets have them: numbers of single precision, words as categories with a dictionary."""
    columns = [
        column.dictionary_encode()
        if pa.types.is_string(column.type)
        else column.cast(pa.float32()).fill_null(float("nan"))
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)
