"""The trees of a hazard model: those that all periods of the horizon share, and what remains of the others in each."""

from __future__ import annotations

import itertools
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
from training.artifact.standalone import POINTS, ArtifactError, by_period, explained, within
from training.artifact.tree_text import only, splits_on, trees_of
from training.samples.log_odds import Array


class HazardPredictor:
    """Log-odds of converting within the horizon and within less, as `training.artifact.standalone.Model` gives them.

    A tree that does not look at the period is evaluated once for all periods of its model, any other once for each,
    without its splits on the period. is_fit: bool[features], which come from the profile.
    """

    def __init__(self, texts: Sequence[str], periods: Periods, is_fit: NDArray[np.bool_]) -> None:
        self.ends, self.period = periods.ends, len(is_fit)
        self.offsets: Array = np.array(periods.offsets, dtype=np.float64)
        self.models = np.array(periods.models or [0] * len(self.ends))
        self.of_models = by_period(texts, self.models[-1] + 1, range(self.models[-1] + 1))
        trees = [trees_of(own) for own in self.of_models]
        shared = [[tree for tree in own if not splits_on(tree, self.period)] for own in trees]
        asking = [[tree for tree in own if splits_on(tree, self.period)] for own in trees]
        parts = [*shared, *([pruned(tree, self.period, k) for tree in asking[m]] for k, m in enumerate(self.models))]
        forest = grown(list(itertools.chain(*parts)), len(self.of_models[0]))
        if forest.nodes["feature"].max() >= self.period:
            raise ArtifactError("the boosters do not fit the features that model.json names; train again")
        self.masks = masks_of(forest, is_fit)
        self.bounds = np.cumsum([0, *map(len, parts)])
        means = np.diff(
            np.cumsum([0.0, *forest.mean[forest.roots]])[self.bounds]
        )  # what trees of a part expect together
        self.start: Array = self.offsets + means[self.models] + means[len(shared) :]
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
        shared, asking = self._explained
        numbered = [np.column_stack([matrix, np.full(len(matrix), float(k))]) for k in range(len(self.ends))]
        alike = [part.contributions(numbered[0]) for part in shared]
        shap = [alike[m] + asking[m].contributions(rows) for m, rows in zip(self.models, numbered, strict=True)]
        return explained(np.stack(shap, axis=1), self.offsets)

    def _odds(self, matrix: Array) -> Array:
        """float64[n, periods, 2]: log-odds in each period, and what of them fit has added."""
        return np.asarray(predict_periods(self.masks, self.bounds, self.models, self.offsets, matrix))

    @cached_property
    def _explained(self) -> tuple[list[Explained], list[Explained]]:
        """The boosters of each model with the trees that all its periods share, and with the others."""
        shared, asking = ([self._part(own, asks) for own in self.of_models] for asks in (False, True))
        return shared, asking

    def _part(self, texts: Sequence[str], asks: bool) -> Explained:
        """The trees of boosters that look at the period, or those that do not."""
        chosen = [[splits_on(tree, self.period) is asks for tree in trees_of([text])] for text in texts]
        return Explained(list(map(only, texts, chosen)), self.period + 1)


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
