"""How a feature table becomes the matrix that LightGBM sees: own category maps, unseen categories are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from training.artifact.manifest import Feature

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 100
FEWEST_ROWS = 10


@dataclass(frozen=True)
class Encoder:
    """Feature names in order, and for category columns their values in order of code (None for numbers)."""

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...] | None, ...]

    @staticmethod
    def fit(table: pa.Table, names: Sequence[str]) -> Encoder:
        """Learns the category maps: values in at least FEWEST_ROWS rows, the most frequent first, ties by name."""
        return Encoder(tuple(names), tuple(_categories(table.column(name)) for name in names))

    @staticmethod
    def of(features: Sequence[Feature]) -> Encoder:
        """That of a model's features."""
        return Encoder(tuple(feature.name for feature in features), tuple(feature.categories for feature in features))

    @property
    def category_columns(self) -> list[int]:
        return [i for i, values in enumerate(self.categories) if values is not None]

    def matrix(self, table: pa.Table, room: int = 0) -> NDArray[np.float32]:
        """float32[rows, features + room]; NaN is missing. Raises KeyError when a feature is not in the table.

        room: columns behind the features for others to fill in, so that nobody copies all for a few more.
        """
        matrix = np.empty((len(table), len(self.names) + room), np.float32)
        for i, (name, values) in enumerate(zip(self.names, self.categories, strict=True)):
            column = table.column(name)
            matrix[:, i] = _numbers(column) if values is None else _codes(column, values)
        return matrix


def table_of(frame: pd.DataFrame) -> pa.Table:
    """A pandas frame of mixed types as a feature table: numbers and booleans as float32, all else as strings."""
    # Imported late: scoring needs none of its 45 MB.
    import pandas as pd

    columns = {
        str(name): pa.array(column.astype("float64").to_numpy(), pa.float32(), from_pandas=False)
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
        else pa.array([None if pd.isna(value) else str(value) for value in column], pa.string())
        for name, column in frame.items()
    }
    return pa.table(columns)


def _categories(column: pa.ChunkedArray) -> tuple[str, ...] | None:
    if not _is_category(column.type):
        return None
    counts = Counter(
        {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist() if item["values"] is not None}
    )
    frequent = [value for value, count in counts.items() if count >= FEWEST_ROWS]
    return tuple(sorted(frequent, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES])


def _is_category(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(dtype) or pa.types.is_string(dtype) or pa.types.is_large_string(dtype))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float32]:
    return column.cast(pa.float32()).fill_null(float("nan")).to_numpy()  # type: ignore[no-any-return]


def _codes(column: pa.ChunkedArray, values: Sequence[str]) -> NDArray[np.float32]:
    plain = column.cast(pa.string())
    codes = pc.index_in(plain, pa.array(values, pa.string())).to_numpy()
    return codes.astype(np.float32)  # type: ignore[no-any-return]
