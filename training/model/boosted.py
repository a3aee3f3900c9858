"""What both classifiers share: a fixed mix of LightGBM models, each without one fold of leads, averaged in log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from training.artifact.manifest import Periods
from training.artifact.standalone import by_period, calibrated
from training.calibration.calibrator import IDENTITY, CalibrationTrial, Calibrator, calibrator_of
from training.model.contributions import contributions
from training.model.encoding import Encoder
from training.model.estimator import Estimator
from training.model.members import TWIN, Grown, Member, Parameters, portable, stump
from training.model.rates import Frozen, PastOutcomes, folded, running_rates
from training.model.small_trees import in_parts, scoring
from training.samples.log_odds import Array

CATEGORY_L2 = 25.0
"""Penalty of a split of categories in two, beside `l2`: most of what they say stands in their rates (rates.py)."""


class Boosted(Estimator):
    """LightGBM on log-loss, for each fold of leads one model, which stopped early on the fold that it did not see.

    With `twin` each fold has a second model of extremely randomised trees. With `rates` members see running rates of
    the categories (rates.py), and the categories beside them. None of this is chosen by its success: the mean in
    log-odds of members that err in different ways was better than the choice among them.

    Attributes after fit: classes_, encoder_, calibrator_, oof_raw_ (float64[n], log-odds out of fold, NaN for rows of a
    thinned sample that do not measure), boosters_ (all folds, then all folds of the twin), frozen_ (what has become of
    the rates); trials_: what was left open, and what it gained at past dates.
    """

    encoder_: Encoder
    calibrator_: Calibrator
    boosters_: list[lightgbm.Booster]
    oof_raw_: Array
    frozen_: tuple[Frozen, ...]
    trials_: tuple[CalibrationTrial, ...] = ()
    curves_: tuple[tuple[float, ...], ...] = ()

    def __init__(
        self,
        n_folds: int = 4,
        learning_rate: float = 0.03,
        num_leaves: int = 7,
        min_leaf: int = 40,
        l2: float = 5.0,
        column_share: float = 0.3,
        row_share: float = 0.8,
        max_rounds: int = 3000,
        patience: int = 60,
        twin: bool = True,
        rates: bool = True,
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
        self.twin = twin
        self.rates = rates
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def periods(self) -> Periods | None:
        """What the artifact holds of a model that looks at periods of the horizon, None for one that does not."""
        return None

    @property
    def mixes(self) -> list[list[lightgbm.Booster]]:
        """The boosters of each mix whose mean scores: one, or one for each model of a part of the horizon."""
        mixes = 1 if self.periods is None else self.periods.models[-1] + 1
        return by_period(self.boosters_, mixes, range(mixes))

    @property
    def feature_importances_(self) -> Array:
        """float64[features]: each feature's share of what the trees gained."""
        check_is_fitted(self)
        gain = np.sum([booster.feature_importance("gain") for booster in self.boosters_], axis=0)
        gain = gain[: len(self.encoder_.names)]  # behind the features of some are the days ahead
        return np.asarray(gain / max(gain.sum(), 1e-12))

    def encoded(self, X: ArrayLike | pd.DataFrame | pa.Table) -> pd.DataFrame:
        """X as trees see it: float32, categories by their codes, NaN for what is missing.

        Boosters are not given names, of which LightGBM refuses some; here are those that X has, for `shap`.

        >>> shap.TreeExplainer(model.boosters_[0])(model.encoded(X))  # doctest: +SKIP
        """
        check_is_fitted(self)
        index = X.index if isinstance(X, pd.DataFrame) else None
        names = getattr(self, "feature_names_in_", self.encoder_.names)
        return pd.DataFrame(self.encoder_.matrix(self._table(X)), index, names)

    def contributions(self, X: ArrayLike | pd.DataFrame | pa.Table) -> pd.DataFrame:
        """float64: what each feature adds to the log-odds of each row, by name; last comes the base.

        SHAP values of the whole mix. A row of it adds up to the log-odds before calibration.
        """
        matrix = self.encoded(X)
        added = contributions(self.boosters_, self.periods, matrix.to_numpy(np.float64))
        return pd.DataFrame(added, matrix.index, [*matrix.columns, "base"])

    def predict_proba(self, X: ArrayLike | pd.DataFrame | pa.Table) -> NDArray[np.float64]:
        """float64[n, 2]: calibrated probabilities of the two classes."""
        check_is_fitted(self)
        raw = self._log_odds(self.boosters_, self.encoder_.matrix(self._table(X)))
        converted = calibrated(raw, self.calibrator_.to_dict())
        return np.column_stack([1 - converted, converted])

    def predict(self, X: ArrayLike | pd.DataFrame | pa.Table) -> NDArray[Any]:
        """The more probable class of each row. Decisions should rather rest on thresholds that promise something."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return self.classes_[likely.astype(int)]  # type: ignore[no-any-return]

    def _log_odds(self, boosters: Sequence[lightgbm.Booster], matrix: NDArray[Any]) -> Array:
        """float64[n]: mean log-odds of some boosters for an encoded matrix, before calibration."""
        scores = [scoring(booster.model_to_string()) for booster in boosters]
        return in_parts(lambda part: np.mean([score(part) for score in scores], axis=0), matrix, self.n_jobs)

    def _members(self, folds: int) -> list[Member]:
        """The mix: all folds, then all folds of the twin."""
        kinds, has_rates = (False, True) if self.twin else (False,), len(self.frozen_) > 0
        return [
            Member(fold, twin, has_rates and self._sees_rates(fold, twin)) for twin in kinds for fold in range(folds)
        ]

    def _sees_rates(self, fold: int, twin: bool) -> bool:
        """Whether a member sees running rates where there are any."""
        return True

    def _with_rates(self, table: pa.Table, known: PastOutcomes | None) -> NDArray[np.float32]:
        """The matrix of a table, and behind it running rates of its categories where there is an order of time."""
        self.frozen_, columns = (), self.encoder_.category_columns
        if known is None or not self.rates or np.isnan(known.y).all():
            return self.encoder_.matrix(table)
        matrix = self.encoder_.matrix(table, room=2 * len(columns))
        matrix[:, len(self.encoder_.names) :], self.frozen_ = running_rates(matrix, columns, known)
        return matrix

    def _fit_boosters(self, data: lightgbm.Dataset, fold: NDArray[np.int64]) -> list[lightgbm.Booster]:
        """The members, fitted to data with rates (as `_with_rates` has them); fold: int64[rows]."""
        task = joblib.delayed(self._fit_member)
        # A thread for each member: on so few rows LightGBM's own threads would mostly wait for each other.
        grown = joblib.Parallel(n_jobs=self.n_jobs, prefer="threads")(
            task(data, fold, member) for member in self._members(int(fold.max()) + 1)
        )
        self.curves_ = tuple(one.losses for one in grown)
        return [one.booster for one in grown]

    def _fit_member(self, data: lightgbm.Dataset, fold: NDArray[np.int64], member: Member) -> Grown:
        rows, held = (np.flatnonzero(side) for side in (fold != member.fold, fold == member.fold))
        if len(rows) == 0:
            return Grown(stump(data, self._parameters()), ())
        seen, held_out = (data.subset(side.tolist()).construct() for side in (rows, held))
        return self._booster(seen, held_out, self._parameters_of(member, data.num_feature()))

    def _parameters_of(self, member: Member, columns: int) -> Parameters:
        rates = range(len(self.encoder_.names), len(self.encoder_.names) + len(self.frozen_))
        seen = [column for column in range(columns) if column not in rates]
        blind: Parameters = {} if member.rates or not rates else {"interaction_constraints": [seen]}
        return {**self._parameters(), **blind, **(TWIN if member.twin else {})}

    def _folded(self, boosters: Sequence[lightgbm.Booster]) -> list[lightgbm.Booster]:
        """The boosters as they score from now on: without rates, which stand still."""
        width = len(self.encoder_.names)
        return [portable(folded(booster.model_to_string(), width, self.frozen_)) for booster in boosters]

    def _out_of_fold(
        self,
        boosters: Sequence[lightgbm.Booster],
        matrix: NDArray[np.float32],
        fold: NDArray[np.int64],
        whole: NDArray[np.bool_],
    ) -> Array:
        """float64[n]: log-odds of each row by the boosters that did not see its fold (int64[n]), from running rates.

        NaN for rows that do not measure (bool[n]).
        """
        raw, folds = np.full(len(matrix), np.nan), int(fold.max()) + 1
        for out in range(folds):
            held = np.flatnonzero((fold == out) & whole)
            raw[held] = self._log_odds(boosters[out::folds], matrix[held])
        return raw

    def _dataset(
        self,
        matrix: NDArray[np.float32],
        label: NDArray[np.int64],
        weight: Array,
        offset: Array | None = None,
    ) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            matrix,
            label,
            weight=weight,
            init_score=offset,
            categorical_feature=self.encoder_.category_columns,
            feature_name=[f"Column_{column}" for column in range(matrix.shape[1])],
            params=self._parameters(),
            free_raw_data=False,
        ).construct()

    def _booster(self, data: lightgbm.Dataset, held: lightgbm.Dataset, parameters: Parameters) -> Grown:
        seen: dict[str, dict[str, list[float]]] = {}
        calls = [lightgbm.early_stopping(self.patience, verbose=False), lightgbm.record_evaluation(seen)]
        booster = lightgbm.train(parameters, data, self.max_rounds, valid_sets=[held], callbacks=calls)
        # Trees behind the best round are dropped, so that the text holds exactly what predicts.
        text = portable(booster.model_to_string(num_iteration=booster.best_iteration))
        return Grown(text, tuple(next(iter(seen.values()))["binary_logloss"]))

    def _parameters(self) -> Parameters:
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_leaf,
            "lambda_l2": self.l2,
            "cat_l2": CATEGORY_L2,
            "feature_fraction": self.column_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "seed": self.random_state,
            "deterministic": True,
            "force_col_wise": True,  # half the time of rows when only a share of the columns is looked at
            "enable_bundle": False,  # a quarter of the time: a tree that sees a share of a bundle counts all of it
            "num_threads": 1,
            "verbosity": -1,
        }

    def _calibrate(
        self,
        raw: Array,
        label: NDArray[np.int64],
        weight: Array,
        time: NDArray[np.int64],
        lead: NDArray[np.generic],
    ) -> Calibrator:
        p = calibrated(raw, IDENTITY.to_dict())
        return calibrator_of(p, label.astype(np.float64), weight, time, lead)
