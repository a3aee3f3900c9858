"""How much single columns know of the outcome, and how much they add to all the others: the one-feature probe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import chi2

from training.model.encoding import Encoder
from training.samples.log_odds import Array, logit, row_losses

BINS, FEWEST_ROWS = 32, 10
MOST_WORDS = 500
"""Values of a column of words that are looked at apart, the most frequent ones."""
FOLDS = 4
PRIOR = 5.0
"""Rows of the base rate that a level's own rate is mixed with."""
TWINS = 0.9
ROUNDS = 100


@dataclass(frozen=True)
class Knowledge:
    """What a column knows by itself.

    share: of the uncertainty (entropy) about the outcome that it takes away on rows that it has not seen, 0 to 1.
    z: float64[n], log-odds out of fold. p_value: chance of such a relation if there were none.
    """

    share: float
    z: Array
    p_value: float


def knowledge(codes: NDArray[np.int64], y: Array) -> Knowledge:
    """What levels `codes` (n, from 0) know of outcomes `y` (n, 0/1): rates per level, out of fold.

    >>> y = np.tile([0.0, 1.0], 200)
    >>> round(knowledge(y.astype(np.int64), y).share, 1), round(knowledge(np.zeros(400, np.int64), y).share, 1)
    (1.0, -0.0)
    """
    fold, levels, base = _folds(len(y)), int(codes.max()) + 1, y.mean()
    cell = fold * levels + codes
    count = np.bincount(cell, minlength=FOLDS * levels).reshape(FOLDS, levels)
    won = np.bincount(cell, y, FOLDS * levels).reshape(FOLDS, levels)
    rate = (won.sum(0) - won + PRIOR * base) / (count.sum(0) - count + PRIOR)
    z = logit(rate[fold, codes])
    return Knowledge(share_known(y, z), z, _p_value(count.sum(0).astype(np.float64), won.sum(0)))


def share_known(y: Array, z: Array) -> float:
    """Share of the entropy of `y` (n) that log-odds `z` (n) take away; below 0 when they are worse than nothing."""
    base = np.full(len(y), logit(np.array([y.mean()]))[0])
    return float(1 - row_losses(y, z).mean() / row_losses(y, base).mean())


def levels_of(column: pa.ChunkedArray, missing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[n], the level of each value: 0 where missing, numbers in bins of about equal count, rare words together."""
    if is_words(column.type):
        values, level = _common(column.cast(pa.string()).to_numpy(zero_copy_only=False), missing)
    else:
        values = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
        level = np.searchsorted(_edges(values[~missing]), values, side="right")
    return np.where(missing, 0, level + 1)


def is_words(kind: pa.DataType) -> bool:
    """Whether a column holds words rather than numbers."""
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def share_together(table: pa.Table, names: Sequence[str], y: Array) -> float:
    """Share of the entropy that columns take away together, 0 to 1; 0 where there is none."""
    return max(share_known(y, _known_together(table.select(list(names)), y)), 0.0) if names else 0.0


def twins(name: str, known: Mapping[str, Knowledge], among: Collection[str]) -> list[str]:
    """The columns that say the same about the outcome as one of them does: their log-odds go together."""
    log_odds = known[name].z
    return [other for other in among if other != name and _correlation(log_odds, known[other].z) > TWINS]


def _known_together(table: pa.Table, y: Array) -> Array:
    """float64[n]: what all columns of a table know together, log-odds of small LightGBM models out of fold."""
    encoder = Encoder.fit(table, table.column_names)
    matrix, fold, z = encoder.matrix(table), _folds(len(y)), np.empty(len(y))
    data = lightgbm.Dataset(
        matrix, y, categorical_feature=encoder.category_columns, params=_parameters(), free_raw_data=False
    ).construct()
    for held in range(FOLDS):
        booster = lightgbm.train(_parameters(), data.subset(np.flatnonzero(fold != held).tolist()), ROUNDS)
        z[fold == held] = booster.predict(matrix[fold == held], raw_score=True)
    return z


def _common(values: NDArray[np.object_], missing: NDArray[np.bool_]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    names, code, count = np.unique(
        np.where(missing, "", values).astype(np.str_), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(names))
    return names, np.minimum(rank[code], MOST_WORDS - 1)


def _edges(values: Array) -> Array:
    """Where bins begin: about equally many rows in each, and a value that fills a bin alone has one of its own.

    Else all of a column that is 0 unless won lies in one bin, and tells nothing. No bin is so small that it tells
    nothing either, as one for each amount of the few who won would be.
    """
    distinct, count = np.unique(values, return_counts=True)
    full = np.flatnonzero(count >= (FEWEST_ROWS if len(distinct) <= BINS else len(values) / BINS))
    own = distinct[np.concatenate([full, np.minimum(full + 1, len(distinct) - 1)])]
    rest = np.repeat(np.delete(distinct, full), np.delete(count, full))
    bins = min(BINS, len(rest) // FEWEST_ROWS)
    inner = np.quantile(rest, np.arange(1, bins) / bins, method="nearest") if bins > 1 else rest[:0]
    return np.unique([*own, *inner])


def _folds(rows: int) -> NDArray[np.int64]:
    """Rows are dealt out at random, so that nothing periodic in their order matters."""
    return np.random.default_rng(0).permutation(rows) % FOLDS


def _p_value(count: Array, won: Array) -> float:
    """The likelihood-ratio test of levels against one common rate; levels of few rows are too rare to speak."""
    spoken = count >= BINS
    count, won = count[spoken], won[spoken]
    if len(count) < 2 or not 0 < won.sum() < count.sum():
        return 1.0
    gain = _likelihood(count, won).sum() - _likelihood(count.sum(), won.sum())
    return float(chi2.sf(2 * gain, len(count) - 1))


def _likelihood(count: Array, won: Array) -> Array:
    lost = count - won
    return np.asarray(
        won * np.log(np.maximum(won, 1e-9) / count) + lost * np.log(np.maximum(lost, 1e-9) / count), np.float64
    )


def _correlation(first: Array, second: Array) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if first.std() > 0 and second.std() > 0 else 0.0


def _parameters() -> dict[str, object]:
    return {
        "objective": "binary",
        "learning_rate": 0.1,
        "num_leaves": 7,
        "min_data_in_leaf": 20,
        "min_data_per_group": 20,
        "lambda_l2": 5.0,
        "seed": 0,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
