"""What a model has to beat: the base rate, points given by hand, logistic regression, LightGBM as it comes.

Each is `fit(table, y, weight, time)` and returns something with `predict(table) -> p`. A table is a pandas frame or an
Arrow table with one row per moment: numbers as float with NaN, categories as pandas category or Arrow dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, QuantileTransformer

from training.samples.log_odds import Array, clip, logit, row_losses
from training.samples.subsample import subsample

Table: TypeAlias = pa.Table | pd.DataFrame

RECENCY, FREQUENCY = "recency_any", "count_any_ever"
GRADES = 5
PSEUDO_LEADS = 20.0
STRENGTHS = (0.003, 0.03, 0.3)
FORWARD_SHARE = 0.75
MOST_ROWS, MOST_ROWS_OF_TREES = 10_000, 60_000
"""Logistic regression and LightGBM are fitted on about so many rows, see `subsample`; more change little but their
cost."""


PART = 16_384
"""Rows that are predicted at once: scikit-learn keeps several copies of them, in double precision."""


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, table: Table) -> Array:
        """Probabilities (n, float64), never 0 or 1."""


Fit = Callable[[Table, Array, Array, NDArray[Any]], Baseline]


@dataclass(frozen=True)
class BaseRate:
    """Says the same of every lead."""

    rate: float

    def predict(self, table: Table) -> Array:
        """The rate (n)."""
        return clip(np.full(len(table), self.rate))


def base_rate(table: Table, y: Array, weight: Array, time: NDArray[Any]) -> BaseRate:
    """The share of training rows that converted.

    >>> base_rate(pd.DataFrame(index=range(4)), np.array([1, 0, 0, 0]), np.ones(4), np.arange(4)).rate
    0.25
    """
    return BaseRate(float(np.average(y, weights=weight)))


@dataclass(frozen=True)
class PointsRule:
    """Recency against frequency: `rates[r, f]` is the conversion rate of a cell; a missing value has its own grade."""

    edges: Mapping[str, Array]
    rates: Array

    def predict(self, table: Table) -> Array:
        """The rate of each row's cell (n)."""
        frame = _frame(table)
        return clip(self.rates[tuple(_grades(frame, name, edges) for name, edges in self.edges.items())])


def points_rule(table: Table, y: Array, weight: Array, time: NDArray[Any]) -> PointsRule:
    """Fifths of recency times fifths of the number of events, as RFM scoring by hand does (Hughes 1994).

    Cells are smoothed by twenty leads at the base rate. A column that the table lacks tells no leads apart.
    """
    frame = _frame(table)
    edges = {name: _edges(frame, name) for name in (RECENCY, FREQUENCY)}
    cells = tuple(_grades(frame, name, column_edges) for name, column_edges in edges.items())
    seen, won = np.zeros((GRADES + 1, GRADES + 1)), np.zeros((GRADES + 1, GRADES + 1))
    np.add.at(seen, cells, weight)
    np.add.at(won, cells, weight * y)
    rate = float(np.average(y, weights=weight))
    return PointsRule(edges, (won + PSEUDO_LEADS * rate) / (seen + PSEUDO_LEADS))


def _edges(frame: pd.DataFrame, name: str) -> Array:
    values = _numbers(frame, name)
    known = values[np.isfinite(values)]
    return np.unique(np.quantile(known, np.arange(1, GRADES) / GRADES)) if len(known) else known


def _grades(frame: pd.DataFrame, name: str, edges: Array) -> NDArray[np.int64]:
    values = _numbers(frame, name)
    return np.where(np.isnan(values), GRADES, np.searchsorted(edges, values, side="left"))


def _numbers(frame: pd.DataFrame, name: str) -> Array:
    return frame[name].to_numpy(dtype=np.float64) if name in frame else np.full(len(frame), np.nan)


@dataclass(frozen=True)
class Classifier:
    """A fitted scikit-learn classifier behind the interface of a baseline."""

    fitted: Any

    def predict(self, table: Table) -> Array:
        """Probability of conversion (n)."""
        starts = range(0, max(len(table), 1), PART)
        parts = (_frame(_slice(table, start, start + PART)) for start in starts)
        return clip(np.concatenate([self.fitted.predict_proba(part)[:, 1] for part in parts]))


def logistic_regression(table: Table, y: Array, weight: Array, time: NDArray[Any]) -> Baseline:
    """Logistic regression on all features; how strongly it is held back is chosen on the newest quarter of the rows.

    Numbers become ranks (robust to outliers), missing ones are flagged; rare categories are merged. The base rate where
    there is only one class.
    """
    frame, y, weight = _thinned(table, np.asarray(y), weight, time, MOST_ROWS)
    if np.ptp(y) == 0:
        return base_rate(frame, y, weight, time)
    model = make_pipeline(_preparation(frame), _regression(_strength(frame, y, weight)))
    return Classifier(model.fit(frame, y, logisticregression__sample_weight=weight))


def _thinned(table: Table, y: Array, weight: Array, time: NDArray[Any], most: int) -> tuple[pd.DataFrame, Array, Array]:
    """Rows, labels and weights, see `subsample`."""
    rows, heavier = subsample(y, weight, time, most)
    frame = table.iloc[rows] if isinstance(table, pd.DataFrame) else _frame(table.take(pa.array(rows)))
    return frame, y[rows], heavier


def _strength(frame: pd.DataFrame, y: Array, weight: Array) -> float:
    past, rest = np.split(np.arange(len(y)), [int(len(y) * FORWARD_SHARE)])
    if np.ptp(y[past]) == 0:
        return STRENGTHS[0]
    preparation = _preparation(frame.iloc[past])
    x_past, x_rest = preparation.fit_transform(frame.iloc[past]), preparation.transform(frame.iloc[rest])
    losses = []
    for strength in STRENGTHS:
        p = _regression(strength).fit(x_past, y[past], weight[past]).predict_proba(x_rest)[:, 1]
        losses.append(weight[rest] @ row_losses(y[rest], logit(p)))
    return STRENGTHS[int(np.argmin(losses))]


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200)


def _preparation(frame: pd.DataFrame) -> ColumnTransformer:
    categories = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    numbers = [name for name in frame if name not in categories and frame[name].notna().any()]
    ranks: Pipeline = make_pipeline(
        QuantileTransformer(n_quantiles=min(200, len(frame)), random_state=0),
        SimpleImputer(strategy="median", add_indicator=True),
    )
    one_hot = OneHotEncoder(
        min_frequency=20, max_categories=30, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    return ColumnTransformer([("numbers", ranks, numbers), ("categories", one_hot, categories)], sparse_threshold=0)


def lightgbm_defaults(table: Table, y: Array, weight: Array, time: NDArray[Any]) -> Baseline:
    """LightGBM as it comes, with a fixed seed; the base rate where there is only one class."""
    frame, y, weight = _thinned(table, np.asarray(y), weight, time, MOST_ROWS_OF_TREES)
    if np.ptp(y) == 0:
        return base_rate(frame, y, weight, time)
    trees = LGBMClassifier(random_state=0, deterministic=True, force_row_wise=True, verbose=-1)
    model = Pipeline([("names", FunctionTransformer(_numbered)), ("trees", trees)])
    return Classifier(model.fit(frame, y, trees__sample_weight=weight))


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns called by their place: LightGBM refuses names with characters that JSON gives a meaning to."""
    return frame.set_axis([f"column_{place}" for place in range(frame.shape[1])], axis=1)


BASELINES: Mapping[str, Fit] = {
    "base rate": base_rate,
    "points rule": points_rule,
    "logistic regression": logistic_regression,
    "LightGBM defaults": lightgbm_defaults,
}


def _slice(table: Table, begin: int, end: int) -> Table:
    return table.iloc[begin:end] if isinstance(table, pd.DataFrame) else table.slice(begin, end - begin)


def _frame(table: Table) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else pd.DataFrame(table.to_pandas())
