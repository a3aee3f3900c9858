"""How much a moment counts in learning beside the others: by a column, or by a function of the user's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from data.contract import UsageError
from data.own_functions import OwnFunction
from training.samples.log_odds import Array
from training.samples.sample import Sample

Weighting = str | OwnFunction
"""The name of a column of numbers, empty for none; or a function that takes a pandas DataFrame of features and `as_of`
(UTC), a row for each moment, and returns as many numbers. Only their ratios count."""


def weighed(sample: Sample, weighting: Weighting) -> Sample:
    """The rows, each so much heavier than the others, the same on average.

    Raises UsageError for a column that is not there or no number, for a function that fails, and for weights that are
    none, with the number of the row in order of time.
    """
    if not weighting:
        return sample
    if isinstance(weighting, OwnFunction):
        name, times = weighting.name, _computed(sample, weighting)
    else:
        name, times = weighting, _column(sample, weighting)
    _check(sample, name, times)
    return replace(sample, weight=sample.weight * times / np.average(times, weights=sample.weight))


def _column(sample: Sample, name: str) -> Array:
    features = sample.features
    if name not in features.column_names:
        there = ", ".join(field.name for field in features.schema if pa.types.is_floating(field.type))
        raise UsageError(f"training.weight = {name!r} is no column of the training set; numbers are {there}")
    if not pa.types.is_floating(features.schema.field(name).type):
        raise UsageError(f"training.weight = {name!r} is a category; weights are numbers")
    return np.asarray(features.column(name).to_numpy(), np.float64)


def _computed(sample: Sample, own: OwnFunction) -> Array:
    function, rows = own.load(), sample.features.to_pandas()
    rows["as_of"] = sample.as_of.astype("datetime64[us]")
    try:
        times = np.asarray(function(rows.assign(as_of=rows["as_of"].dt.tz_localize("UTC"))), np.float64)
    except Exception as error:
        raise UsageError(f"training.weight = {own.name!r}: {own.blame(error)}") from None
    if times.shape != (len(sample),):
        raise UsageError(f"training.weight = {own.name!r} returned {times.shape}, not {len(sample)} numbers, one a row")
    return times


def _check(sample: Sample, name: str, times: Array) -> None:
    wrong = np.flatnonzero(~(np.isfinite(times) & (times >= 0)))
    if len(wrong):
        row = int(wrong[0])
        at = np.datetime64(int(sample.as_of[row]), "us").astype("datetime64[m]")
        raise UsageError(
            f"training.weight = {name!r} gives {times[row]} in {len(wrong)} of {len(times)} rows, first in row "
            f"{row + 1} ({at} UTC); a weight is a number from 0 on"
        )
    if not times.any():
        raise UsageError(f"training.weight = {name!r} gives 0 in every row, so there is nothing to learn from")
