"""Measures what features usually add: SHAP values of some moments of each band of predictions."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from training.artifact.usual import Usual
from training.model.boosted import Boosted
from training.model.contributions import contributions
from training.samples.log_odds import Array

BANDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)
"""Shares of moments, ordered by their predictions, between which a band lies: the finer the higher."""
ROWS = 24
"""Moments of a band that are looked at: a mean, not a promise, and SHAP values cost much."""


def usual_of(model: Boosted, features: pa.Table, p: Array) -> Usual:
    """What features usually add in a fitted model; features, p: of moments, with predictions (float64[n])."""
    bands = [rows for rows in _bands(p) if len(rows)]
    matrix = model.encoder_.matrix(features.take(pa.array(np.concatenate(bands)))).astype(np.float64)
    added, ends = _added(model, matrix), np.cumsum([0, *map(len, bands)])
    means = [added[first:end].mean(axis=0) for first, end in itertools.pairwise(ends)]
    means.sort(key=lambda mean: float(mean.sum()))
    adds = tuple(tuple(round(float(value), 4) for value in mean) for mean in means)
    return Usual(tuple(round(float(mean.sum()), 4) for mean in means), adds)


def _bands(p: Array) -> list[NDArray[np.int64]]:
    """Moments of each band, evenly spread over it."""
    order = np.argsort(p, kind="stable")
    edges = np.round(np.array(BANDS) * len(p)).astype(np.int64)
    spans = itertools.pairwise(edges)
    return [order[np.unique(np.linspace(first, end - 1, ROWS).astype(np.int64))] for first, end in spans if end > first]


def _added(model: Boosted, matrix: Array) -> Array:
    """float64[n, features]: by the first and the last member of the mix, which stand for all."""
    few = [booster for mix in model.mixes for booster in mix[:: max(1, len(mix) - 1)]]
    return contributions(few, model.periods, matrix)[:, :-1]
