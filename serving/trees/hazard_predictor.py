"""The trees of a hazard model: those that all periods of the horizon share, and what remains of the others in each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from serving.trees.bit_masks import Calibration, calibrated_one, masks_of, predict_periods
from serving.trees.pruning import pruned
from serving.trees.tree_shap import Explained
from serving.trees.trees import grown
from training.artifact.manifest import Periods
from training.artifact.standalone import POINTS, ArtifactError, explained, within
from training.artifact.tree_text import only, splits_on, trees_of
from training.samples.log_odds import Array


class HazardPredictor:
    """Log-odds of converting within the horizon and within less, as `training.artifact.standalone.Model` gives them.

    A tree that does not look at the period is evaluated once for all periods, any other once for each, without its
    splits on the period. is_fit: bool[features], which come from the profile.
    """

    def __init__(self, texts: Sequence[str], periods: Periods, is_fit: NDArray[np.bool_]) -> None:
        self.texts, self.ends, self.period = texts, periods.ends, len(is_fit)
        self.offsets: Array = np.array(periods.offsets, dtype=np.float64)
        trees = trees_of(texts)
        shared = [tree for tree in trees if not splits_on(tree, self.period)]
        others = [tree for tree in trees if splits_on(tree, self.period)]
        every = [pruned(tree, self.period, k) for k in range(len(self.ends)) for tree in others]
        forest = grown([*shared, *every], len(texts))
        if forest.nodes["feature"].max() >= self.period:
            raise ArtifactError("the boosters do not fit the features that model.json names; train again")
        self.masks = masks_of(forest, is_fit)
        self.bounds = len(shared) + len(others) * np.arange(len(self.ends) + 1)
        means = np.add.reduceat(np.append(forest.mean[forest.roots], 0.0), self.bounds) * (len(others) > 0)
        self.start: Array = self.offsets + forest.mean[forest.roots[: len(shared)]].sum() + means[:-1]
        self.base = float(within(self.start[np.newaxis], self.ends, self.ends[-1])[0])

    def all(self, matrix: Array, calibrator: Calibration) -> Array:
        """float64[n, 4]: log-odds of the whole horizon, what fit and engagement add to `base`, and the probability.

        What a family adds in a period counts by how much the whole moves with that period, as in
        `training.artifact.standalone.shares`.
        """
        return np.asarray(_whole(self._odds(matrix), self.start, self.base, calibrator, *_PATH))

    def within(self, matrix: Array, days: float) -> Array:
        """float64[n]: log-odds of converting within so many days. Raises ValueError beyond the horizon."""
        return within(self._odds(matrix)[:, :, 0], self.ends, days)

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1]: what each feature adds to the log-odds of the whole; last comes the base."""
        shared, others = self._explained
        rows, periods = len(matrix), len(self.ends)
        number = np.tile(np.arange(periods, dtype=np.float64), rows)
        per_period = others.contributions(np.column_stack([np.repeat(matrix, periods, axis=0), number]))
        alike = shared.contributions(np.column_stack([matrix, np.zeros(rows)]))
        return explained(alike[:, np.newaxis] + per_period.reshape(rows, periods, -1), self.offsets)

    def _odds(self, matrix: Array) -> Array:
        """float64[n, periods, 2]: log-odds in each period, and what of them fit has added."""
        return np.asarray(predict_periods(self.masks, self.bounds, self.offsets, matrix))

    @cached_property
    def _explained(self) -> tuple[Explained, Explained]:
        """The boosters with the trees that all periods share, and with the others."""
        splits = [[splits_on(tree, self.period) for tree in trees_of([text])] for text in self.texts]
        pairs = list(zip(self.texts, splits, strict=True))
        shared = [only(text, [not by_period for by_period in chosen]) for text, chosen in pairs]
        return Explained(shared, self.period + 1), Explained([only(*pair) for pair in pairs], self.period + 1)


_PATH = np.polynomial.legendre.leggauss(POINTS)


@njit()
def _whole(odds, start, base, calibrator, points, weights):  # type: ignore[no-untyped-def]
    """float64[n, 4], see Timeline.all. odds: float64[n, periods, 2]. start: float64[periods], those of no lead."""
    n, periods, _ = odds.shape
    out = np.empty((n, 4))
    for row in range(n):
        total = 0.0
        for k in range(periods):
            total += _softplus(odds[row, k, 0])
        raw, by_fit = total + np.log(-np.expm1(-total)), 0.0
        for i in range(len(points)):
            gone, moved, total = (points[i] + 1) / 2, 0.0, 0.0
            for k in range(periods):
                z = start[k] + gone * (odds[row, k, 0] - start[k])
                total += _softplus(z)
                moved += odds[row, k, 1] / (1 + np.exp(-z))
            by_fit += weights[i] / 2 * moved / -np.expm1(-total)
        out[row] = raw, by_fit, raw - base - by_fit, calibrated_one(raw, *calibrator)
    return out


@njit()
def _softplus(z):  # type: ignore[no-untyped-def]
    return max(z, 0.0) + np.log1p(np.exp(-abs(z)))
