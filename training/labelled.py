"""A plain labelled table, such as an export without histories, as a sample: rows in order of time, one lead each."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from data.contract import DataError, UsageError
from training.encoding import table_of
from training.logits import Array
from training.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = ",;\t|"
HEAD = 65_536
YES, NO = frozenset({"1", "1.0", "yes", "true", "y"}), frozenset({"0", "0.0", "no", "false", "n"})


def read_labelled(
    path: Path,
    target: str,
    positive: str | None = None,
    drop: Sequence[str] = (),
    lead: str | None = None,
    time: str | None = None,
    missing: Sequence[str] = (),
) -> Sample:
    """Reads a CSV (also .gz; `,` `;` tab or `|`) or Parquet file with one row per moment.

    target: the column of the outcome. positive: the value that means conversion; without it yes/no, true/false or
    1/0. drop: columns that are no features. lead: column of ids, for intervals by lead; without it each row is a lead.
    time: column to sort by (ISO dates or numbers); without it the order of the file is time, and `as_of` is the number
    of the row. missing: texts that mean nothing is known. Every row is mature. Raises UsageError for a column that is
    not there, DataError for a file that cannot be read and for outcomes that are not two values.
    """
    frame = _read(path, missing)
    for name in (target, *drop, *(each for each in (lead, time) if each is not None)):
        if name not in frame:
            raise UsageError(f"{path} has no column {name!r}; it has {', '.join(frame.columns)}")
    if time is not None:
        frame = frame.assign(**{time: _times(frame[time], path)}).sort_values(time, kind="stable")
    y = _outcomes(frame[target], positive, path)
    ids = np.arange(len(frame)).astype(str) if lead is None else frame[lead].astype(str).to_numpy(dtype=np.str_)
    as_of = np.arange(len(frame)) if time is None else frame[time].to_numpy().astype(np.int64)
    features = frame.drop(columns={target, *drop, *(each for each in (lead, time) if each is not None)})
    return Sample.of_labels(_features(features), y, np.ones(len(y)), ids, as_of)


def _read(path: Path, missing: Sequence[str]) -> pd.DataFrame:
    # Imported late: only plain tables need its 45 MB.
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path).replace(list(missing), None)
        frame = pd.read_csv(path, sep=_delimiter(path), na_values=list(missing), low_memory=False)
    except (OSError, EOFError, ValueError, csv.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from None
    if frame.empty:
        raise DataError(f"{path} holds no rows below its header")
    return frame


def _delimiter(path: Path) -> str:
    """The one of the usual delimiters that the header holds most often."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        header = file.readline(HEAD)
    return max(DELIMITERS, key=header.count)


def _outcomes(column: pd.Series, positive: str | None, path: Path) -> Array:
    """float64[n], 0/1."""
    words = column.astype(str).str.strip()
    if column.isna().any():
        raise DataError(f"{path}: {column.isna().sum()} rows have no {column.name!r}; take rows of known outcome only")
    if positive is None and not set(words.str.lower()) <= YES | NO:
        found = ", ".join(sorted(set(words))[:5])
        raise UsageError(f"{path}: {column.name!r} holds {found}; say with --positive which value means conversion")
    y = words.str.lower().isin(YES) if positive is None else words == positive
    if y.nunique() < 2:
        raise DataError(f"{path}: {int(y.sum())} of {len(y)} rows converted by {column.name!r}; both kinds are needed")
    return np.asarray(y, dtype=np.float64)


def _times(column: pd.Series, path: Path) -> pd.Series:
    """int64: numbers as they are, dates as µs UTC."""
    import pandas as pd

    try:
        if pd.api.types.is_numeric_dtype(column):
            return column.astype(np.int64)
        return pd.to_datetime(column, utc=True, format="ISO8601").dt.as_unit("us").astype(np.int64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {column.name!r} cannot be sorted as time (numbers or ISO dates): {error}") from None


def _features(frame: pd.DataFrame) -> pa.Table:
    """Texts as categories with a dictionary, as training sets have them."""
    table = table_of(frame)
    return pa.table(
        {
            name: column.dictionary_encode() if pa.types.is_string(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
