"""Segments to look at apart: age of a lead, its channel and country, or any column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import UsageError
from training.recipe.train import age_groups
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.sample import Sample
from training.thresholds.promise_check import CheckedCell, check_cell

AGE = "age"
DEFAULT = {
    AGE: "age of the lead",
    "first_touch_channel_any": "first channel",
    "profile_country": "country",
    "profile_lead_source": "source",
}
"""Columns of the default catalogue, and what they are called; those that a table lacks are left out."""
MOST = 8
"""Values of a segment that are shown apart; the rest together."""
REST, UNKNOWN = "(others)", "(unknown)"
QUARTERS = 4


def segments_of(samples: Sequence[Sample], wanted: Sequence[str] | None = None) -> dict[str, NDArray[np.str_]]:
    """Segment -> value of each row (n), for the rows of all samples one after the other.

    Text columns by their most frequent values, numbers by quarters of the rows. Raises UsageError for a column that
    is not there.
    """
    tables = [sample.features for sample in samples]
    there = tables[0].column_names
    check_there(wanted or (), there)
    names = [name for name in there if name.lower() in DEFAULT] if wanted is None else wanted
    segments = {DEFAULT.get(name.lower(), name): _values(name, tables) for name in names}
    return {name: values for name, values in segments.items() if wanted or len(np.unique(values)) > 1}


def check_there(wanted: Sequence[str], there: Sequence[str]) -> None:
    """Raises UsageError for a column that is not there."""
    for name in wanted:
        if name not in there:
            raise UsageError(f"there is no column {name!r} to split by; there are {', '.join(there)}")


def judged_segments(rows: Sample, p: Array, more: Sequence[str] = ()) -> dict[str, dict[str, CheckedCell]]:
    """Whether what came is what was said, by segment and value: each lead of the slice once, at a drawn moment.

    p: float64[n], what was said. more: columns to split by beside those of DEFAULT. A field is called wrong only where
    it is so after all of them were looked at.
    """
    once = np.isin(np.arange(len(rows)), one_per_lead(rows.lead, rows.as_of))
    drawn, said = rows.of(once), p[once]
    parts = {
        name: {str(value): values == value for value in np.unique(values)}
        for name, values in {**segments_of([drawn]), **segments_of([drawn], more)}.items()
    }
    looks = sum(map(len, parts.values()))
    return {
        name: {
            value: check_cell(int(part.sum()), float(said[part].sum()), int(drawn.y[part].sum()), looks)
            for value, part in values.items()
        }
        for name, values in parts.items()
    }


def _values(name: str, tables: Sequence[pa.Table]) -> NDArray[np.str_]:
    if name == AGE:
        return np.concatenate([age_groups(table) for table in tables])
    column = pa.chunked_array([chunk for table in tables for chunk in _plain(table.column(name)).chunks])
    return _quarters(column) if pa.types.is_floating(column.type) else _frequent(column)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.float64() if pa.types.is_floating(column.type) else pa.string())


def _frequent(column: pa.ChunkedArray) -> NDArray[np.str_]:
    values = np.asarray(column.fill_null(UNKNOWN).to_pylist(), dtype=np.str_)
    names, counts = np.unique(values, return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")[:MOST]]
    return np.where(np.isin(values, frequent), values, REST)


def _quarters(column: pa.ChunkedArray) -> NDArray[np.str_]:
    numbers = column.fill_null(float("nan")).to_numpy()
    known = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[known], np.arange(1, QUARTERS) / QUARTERS)) if known.any() else np.zeros(0)
    ends = [f"{edge:.6g}" for edge in edges]
    if not ends:
        return np.where(known, "(all known)", UNKNOWN)
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    names = [f"up to {ends[0]}", *between, f"above {ends[-1]}"]
    numbered = np.array([f"{place}. {name}" for place, name in enumerate(names, start=1)])
    return np.where(known, numbered[np.searchsorted(edges, numbers, side="left").clip(max=len(edges))], UNKNOWN)
