"""The classifier: bagged LightGBM on log-loss, calibrated out of fold; scikit-learn's interface."""

from __future__ import annotations

import re
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from training.calibration import IDENTITY, Calibrator, choose_calibrator
from training.encoding import Encoder, table_of
from training.folds import fold_of_leads, fold_of_rows
from training.standalone import calibrated


class LeadConversionClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Probability that a lead converts: the mean, in log-odds, of LightGBM models of which each left one fold out.

    Every model stops early on the log-loss of the fold that it did not see; their predictions for those folds are
    out of fold, and choose the calibrator (see training/calibration.py). No class weights: they ruin probabilities.

    fit takes a numeric array, a pandas frame of mixed types, or a feature table (pyarrow). `groups` (the lead of
    each row) keeps all rows of a lead in one fold; `time` (int64, any unit) orders leads and lets the calibration
    gate look forward only. Without them folds are dealt out by class and no calibration is tried.

    Attributes after fit: classes_, boosters_, encoder_, calibrator_, oof_raw_ (float64[n], log-odds out of fold).
    """

    def __init__(
        self,
        n_folds: int = 5,
        learning_rate: float = 0.03,
        num_leaves: int = 7,
        min_leaf: int = 40,
        l2: float = 5.0,
        column_share: float = 0.3,
        row_share: float = 0.8,
        max_rounds: int = 3000,
        patience: int = 60,
        random_state: int = 0,
        n_jobs: int = 2,
    ) -> None:
        self.n_folds = n_folds
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_leaf = min_leaf
        self.l2 = l2
        self.column_share = column_share
        self.row_share = row_share
        self.max_rounds = max_rounds
        self.patience = patience
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: ArrayLike | pd.DataFrame | pa.Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
    ) -> Self:
        """Fits on n rows; y holds two classes, the second in sort order is conversion. Raises ValueError otherwise."""
        table, target = self._checked(X, y)
        check_consistent_length(table, target, groups, time)
        check_classification_targets(target)
        if (kind := type_of_target(target, input_name="y")) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, label = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds 1 class, {self.classes_[0]!r}; two are needed")
        weight = _check_sample_weight(sample_weight, label, dtype=np.float64, ensure_non_negative=True)
        self.encoder_ = Encoder.fit(table, table.column_names)
        # Where no leaf could be split in two, the model is the base rate: one fold, one leaf.
        tiny = weight.sum() < 2 * self.min_leaf
        folds = 1 if tiny else int(min(self.n_folds, np.bincount(label).min()))
        lead = np.arange(len(label)) if groups is None else np.asarray(groups)
        moment = None if time is None else np.asarray(time)
        fold = fold_of_rows(label, folds) if moment is None else fold_of_leads(lead, moment, folds)
        self._fit_folds(self.encoder_.matrix(table), label, weight, fold)
        self.calibrator_ = IDENTITY if moment is None else self._calibrate(label, weight, moment, lead)
        return self

    def predict_proba(self, X: ArrayLike | pd.DataFrame | pa.Table) -> NDArray[np.float64]:
        """float64[n, 2]: calibrated probabilities of the two classes."""
        check_is_fitted(self)
        matrix = self.encoder_.matrix(self._table(X)).astype(np.float64)
        raw = np.mean([each.predict(matrix, raw_score=True) for each in self.boosters_], axis=0)
        converted = calibrated(raw, self.calibrator_.to_dict())
        return np.column_stack([1 - converted, converted])

    def predict(self, X: ArrayLike | pd.DataFrame | pa.Table) -> NDArray[Any]:
        """The more probable class of each row. Decisions should rather rest on thresholds that promise something."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return self.classes_[likely.astype(int)]  # type: ignore[no-any-return]

    def _fit_folds(
        self,
        matrix: NDArray[np.float32],
        label: NDArray[np.int64],
        weight: NDArray[np.float64],
        fold: NDArray[np.int64],
    ) -> None:
        data = lightgbm.Dataset(
            matrix,
            label,
            weight=weight,
            categorical_feature=self.encoder_.category_columns,
            params=self._parameters(),
            free_raw_data=False,
        ).construct()
        self.boosters_: list[lightgbm.Booster] = []
        self.oof_raw_ = np.empty(len(label))
        for left_out in range(fold.max() + 1):
            held = np.flatnonzero(fold == left_out)
            booster = self._booster(data, np.flatnonzero(fold != left_out), held)
            self.oof_raw_[held] = booster.predict(matrix[held], raw_score=True)
            self.boosters_.append(booster)

    def _booster(self, data: lightgbm.Dataset, rows: NDArray[np.int64], held: NDArray[np.int64]) -> lightgbm.Booster:
        if len(rows) == 0:
            return _portable(
                lightgbm.train({**self._parameters(), "min_gain_to_split": 1e30}, data, 1).model_to_string()
            )
        booster = lightgbm.train(
            self._parameters(),
            data.subset(rows.tolist()),
            num_boost_round=self.max_rounds,
            valid_sets=[data.subset(held.tolist())],
            callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
        )
        # Trees behind the best round are dropped, so that the text holds exactly what predicts.
        return _portable(booster.model_to_string(num_iteration=booster.best_iteration))

    def _parameters(self) -> dict[str, Any]:
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_leaf,
            "lambda_l2": self.l2,
            "feature_fraction": self.column_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "seed": self.random_state,
            "deterministic": True,
            "force_col_wise": True,  # half the time of rows when only a share of the columns is looked at
            "num_threads": self.n_jobs,
            "verbosity": -1,
        }

    def _calibrate(
        self,
        label: NDArray[np.int64],
        weight: NDArray[np.float64],
        time: NDArray[np.int64],
        lead: NDArray[np.generic],
    ) -> Calibrator:
        p = calibrated(self.oof_raw_, IDENTITY.to_dict())
        self.calibration_choice_ = choose_calibrator(p, label.astype(np.float64), weight, time, lead)
        return self.calibration_choice_.calibrator

    def _checked(self, X: Any, y: Any) -> tuple[pa.Table, NDArray[Any]]:
        """Features as a table and y as a vector, for fit; checks what scikit-learn checks."""
        if isinstance(X, pa.Table):
            return X, np.asarray(y)
        if _is_mixed(X):
            validate_data(self, X, skip_check_array=True)
            return table_of(X), column_or_1d(y)
        X, y = validate_data(self, X, y, dtype="numeric", ensure_all_finite="allow-nan")
        return _plain_table(X), y

    def _table(self, X: Any) -> pa.Table:
        if isinstance(X, pa.Table):
            return X
        if _is_mixed(X):
            validate_data(self, X, skip_check_array=True, reset=False)
            return table_of(X)
        return _plain_table(validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", reset=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def _portable(text: str) -> lightgbm.Booster:
    """The booster of a text, without the line that tells on how many threads it was trained."""
    return lightgbm.Booster(model_str=re.sub(r"\[num_threads: \d+\]\n", "", text))


def _is_mixed(X: Any) -> bool:
    return isinstance(X, pd.DataFrame) and not all(pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes)


def _plain_table(matrix: NDArray[Any]) -> pa.Table:
    names = [f"column_{i}" for i in range(matrix.shape[1])]
    columns = [pa.array(np.ascontiguousarray(column, dtype=np.float32), from_pandas=False) for column in matrix.T]
    return pa.table(columns, names=names)
