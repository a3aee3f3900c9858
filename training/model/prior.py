"""The model for few conversions: a logistic regression with a prior, written out as LightGBM trees.

A handful of features, named beforehand so that none is picked by its luck, are cut at quantiles; each step from one bin
to the next has a coefficient, which a normal prior holds near 0, and the intercept is held near the base rate (a
weakly informative prior: Gelman et al., Ann. Appl. Stat. 2, 2008). With next to no data it says the base rate of all.

In the text of LightGBM a feature is one small tree whose leaves are its bins, and the intercept a tree of one leaf;
their sum is the log-odds. So artifact, server, reasons and standalone scoring work as for any other model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length

from training.calibration.calibrator import IDENTITY
from training.model.boosted import Boosted
from training.model.encoding import Encoder
from training.samples.folds import fold_of_leads, fold_of_rows
from training.samples.independent import independent
from training.samples.log_odds import Array, fit_logistic, logit

FEATURES = (
    "decayed_intent_7d",
    "decayed_answer_7d",
    "decayed_any_7d",
    "recency_any",
    "count_web_30d",
    "age",
)
"""What marketing would look at first; those that a log does not have are left out."""
QUANTILES = (0.6, 0.9)
"""Where features are cut: what leads do has a long tail, and those that convert are found there."""
PARAMETERS = len(FEATURES) * len(QUANTILES)
SPREAD = 0.5
"""Standard deviation of the prior: a step changes the odds by more than 2.7 times in one of twenty cases."""
FEWEST_CONVERTED = 10
"""Converted leads below which not even a base rate is known (to two thirds of itself)."""


@dataclass(frozen=True)
class Bins:
    """Where the column of a feature is cut: a value up to edges[0] is in the first bin; nothing known: in the last."""

    column: int
    edges: tuple[float, ...]

    def steps(self, matrix: NDArray[np.floating[Any]]) -> Array:
        """float64[n, edges]: 1 where a value lies above the edge."""
        values = matrix[:, self.column].astype(np.float64)
        return np.asarray(~(values[:, np.newaxis] <= np.array(self.edges)), dtype=np.float64)


class PriorClassifier(Boosted):
    """Logistic regression on FEATURES with a prior, behind the interface of the boosted models.

    Attributes after fit: see Boosted; bins_, intercept_ and coefficients_ (float64[steps]).
    """

    bins_: tuple[Bins, ...]
    intercept_: float
    coefficients_: Array

    def fit(
        self,
        X: ArrayLike | pd.DataFrame | pa.Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
        since: ArrayLike | None = None,
    ) -> Self:
        """Fits on n moments; groups: their leads, so that moments of a lead count together as one.

        Raises ValueError where y is not of two classes.
        """
        table, target = self._checked(X, y)
        check_consistent_length(table, target, groups, time)
        code, weight = self._two_classes(target, sample_weight)
        lead = np.arange(len(code)) if groups is None else np.asarray(groups)
        self.encoder_ = Encoder.fit(table, table.column_names)
        matrix, weight = self.encoder_.matrix(table), independent(weight, lead)
        self.bins_ = bins_of(matrix, self.encoder_.names)
        steps = np.column_stack([np.ones(len(code)), *(binning.steps(matrix) for binning in self.bins_)])
        theta = coefficients(steps, code.astype(np.float64), weight)
        self.intercept_, self.coefficients_ = float(theta[0]), theta[1:]
        fold = fold_of_rows(code, self.n_folds)
        if groups is not None:
            fold = fold_of_leads(lead, np.arange(len(code)) if time is None else np.asarray(time), self.n_folds)
        self.frozen_ = ()
        self.oof_raw_ = _out_of_fold(steps, code.astype(np.float64), weight, fold)
        self.boosters_ = [lightgbm.Booster(model_str=self._text(matrix))]
        self.calibrator_ = IDENTITY
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of columns that are none of FEATURES it takes nothing
        return tags

    def _text(self, matrix: NDArray[np.float32]) -> str:
        """The model as LightGBM writes it; `matrix`: what was learnt from, for how many rows each bin had."""
        trees, done = [stump(self.intercept_, len(matrix))], 0
        for binning in self.bins_:
            levels = np.cumsum([0.0, *self.coefficients_[done : done + len(binning.edges)]])
            bins = binning.steps(matrix).sum(axis=1).astype(np.int64)
            trees.append(tree(binning, levels, np.bincount(bins, minlength=len(levels))))
            done += len(binning.edges)
        return text(trees, self.encoder_.names)


def bins_of(matrix: NDArray[np.float32], names: Sequence[str]) -> tuple[Bins, ...]:
    """Bins of the FEATURES that are there and vary, at their quantiles."""
    binnings = []
    for name in FEATURES:
        if name in names:
            column = list(names).index(name)
            values = matrix[:, column][np.isfinite(matrix[:, column])].astype(np.float64)
            edges = np.unique(np.quantile(values, QUANTILES)) if len(values) else values
            # An edge at the highest value would leave nothing above it.
            binnings.append(Bins(column, tuple(edges[edges < values.max(initial=-np.inf)].tolist())))
    return tuple(binning for binning in binnings if binning.edges)


def coefficients(steps: Array, y: Array, weight: Array) -> Array:
    """float64[k]: the mode of the posterior; `steps`: float64[n, k], the first column being 1, weights in leads."""
    base = (weight @ y + 0.5) / (weight.sum() + 1)
    start = np.zeros(steps.shape[1])
    start[0] = float(logit(np.array([base]))[0])
    middle = np.average(steps[:, 1:], axis=0, weights=weight)
    centred = np.column_stack([steps[:, :1], steps[:, 1:] - middle])
    theta = fit_logistic(centred, y, weight, start, np.full(len(start), -np.inf), SPREAD**-2)
    return np.concatenate([[theta[0] - middle @ theta[1:]], theta[1:]])


def _out_of_fold(steps: Array, y: Array, weight: Array, fold: NDArray[np.int64]) -> Array:
    """float64[n]: log-odds of each row by a model that did not see its fold."""
    raw = np.empty(len(y))
    for out in np.unique(fold):
        held = fold == out
        raw[held] = steps[held] @ coefficients(steps[~held], y[~held], weight[~held])
    return raw


def text(trees: Sequence[str], names: Sequence[str]) -> str:
    """A model of trees in the text format of LightGBM."""
    blocks = [f"Tree={i}\n{lines}\n\n" for i, lines in enumerate(trees)]
    plain = [f"Column_{i}" for i in range(len(names))]
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={len(names) - 1}",
        "objective=binary sigmoid:1",
        f"feature_names={' '.join(plain)}",
        f"feature_infos={' '.join(['[-inf:inf]'] * len(names))}",
        f"tree_sizes={' '.join(str(len(block)) for block in blocks)}",
    ]
    return "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n"


def stump(value: float, rows: int) -> str:
    """A tree of one leaf."""
    fields: dict[str, str | int] = {"num_leaves": 1, "num_cat": 0, "leaf_value": repr(value), "leaf_count": rows}
    return _block({**fields, "is_linear": 0, "shrinkage": 1})


def tree(bins: Bins, levels: Array, rows: NDArray[np.int64]) -> str:
    """The tree of a feature: leaf i is bin i, with its level (float64[bins]); rows: int64[bins], how many it had."""
    splits = len(bins.edges)
    rows = np.maximum(rows, 1)
    below = np.cumsum(rows[::-1])[::-1][:splits]
    return _block(
        {
            "num_leaves": splits + 1,
            "num_cat": 0,
            "split_feature": _row([bins.column] * splits),
            "split_gain": _row([1] * splits),
            "threshold": _row(bins.edges),
            "decision_type": _row([MISSING_RIGHT] * splits),
            "left_child": _row(-1 - i for i in range(splits)),
            "right_child": _row([*range(1, splits), -1 - splits]),
            "leaf_value": _row(levels.tolist()),
            "leaf_weight": _row(rows.tolist()),
            "leaf_count": _row(rows.tolist()),
            "internal_value": _row([0] * splits),
            "internal_weight": _row(below.tolist()),
            "internal_count": _row(below.tolist()),
            "is_linear": 0,
            "shrinkage": 1,
        }
    )


MISSING_RIGHT = 8
"""LightGBM's decision_type of a split on numbers that sends what is not known to the right."""


def _block(fields: Mapping[str, str | int]) -> str:
    return "\n".join(f"{name}={value}" for name, value in fields.items())


def _row(values: Any) -> str:
    return " ".join(repr(value) for value in values)
