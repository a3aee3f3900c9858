"""The classifier that learns from open leads too: a discrete-time hazard model, coherent for every horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from training.artifact.manifest import Periods
from training.artifact.standalone import calibrated, within
from training.artifact.tree_text import only, splits_on, trees_of
from training.calibration.calibrator import IDENTITY
from training.model.boosted import Boosted, parts_of
from training.model.classifier import known_rows
from training.model.encoding import Encoder
from training.model.periods import base_log_odds, ends_of, rows_of, thinned
from training.model.small_trees import Score, in_parts, scoring
from training.samples.folds import fold_of_leads
from training.samples.log_odds import Array
from training.samples.thinning import Thinned


class HazardClassifier(Boosted):
    """Probability that a lead converts within h days, for every h up to the horizon.

    The horizon is cut into periods (periods.py). One model gives the odds of converting in a period, having
    not done so before (Cox 1972; Singer & Willett, It's about time, J. Educ. Stat. 18, 1993); P(within h) = 1 - the
    product of not converting in the periods up to h, so it never falls in h. A moment teaches about each period that
    was observed, whether or not its outcome is known: an open lead counts for as long as it was watched.

    Trees see the period as the last column, and start from the period's base rate, so that they split on the period
    only where a feature's effect changes with time.

    predict_proba is for the whole horizon, as that of LeadConversionClassifier. One monotone calibrator, chosen on
    mature moments out of fold, maps the probabilities of all horizons, which leaves them coherent.

    Attributes after fit: see Boosted; ends_ (days, where periods end) and offsets_ (float64[periods], log-odds).
    """

    ends_: tuple[int, ...]
    offsets_: Array

    def fit(
        self,
        X: ArrayLike | pd.DataFrame | pa.Table,
        event_days: ArrayLike,
        observed_days: ArrayLike,
        horizon_days: int,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
        since: ArrayLike | None = None,
        thinning: Thinned | None = None,
    ) -> Self:
        """Fits on n moments.

        event_days: float64[n], days until conversion, NaN where none was seen. observed_days: float64[n], how long each
        moment was watched. groups, time, since, thinning: as for LeadConversionClassifier. Raises ValueError when fewer
        than two conversions were seen.
        """
        event, observed = (np.asarray(days, dtype=np.float64) for days in (event_days, observed_days))
        table, converted = self._checked(X, (event < horizon_days).astype(np.int64))
        check_consistent_length(table, event, observed, groups, time, since)
        weight = _check_sample_weight(sample_weight, event, dtype=np.float64, ensure_non_negative=True)
        lead = np.arange(len(event)) if groups is None else np.asarray(groups)
        moment = np.arange(len(event)) if time is None else np.asarray(time)
        self.classes_, self.ends_ = np.array([0, 1]), ends_of(horizon_days)
        taught, whole = parts_of(weight, thinning)
        rows = rows_of(event, observed, self.ends_, taught)
        if (seen := int(rows.label.sum())) < 2:
            raise ValueError(f"{seen} conversions were seen within {horizon_days} days; at least two are needed")
        self.offsets_ = base_log_odds(rows, len(self.ends_))
        rows, fold = thinned(rows, lead), fold_of_leads(lead, moment, min(self.n_folds, seen))
        self.encoder_ = Encoder.fit(table, table.column_names)
        mature = (observed >= horizon_days) & whole
        known = known_rows(np.where(mature, converted, np.nan), weight, lead, moment, since)
        matrix = self._with_rates(self.encoder_.matrix(table), None if time is None else known)
        expanded = np.column_stack([matrix[rows.moment], rows.period.astype(np.float32)])
        data = self._dataset(expanded, rows.label, rows.weight, self.offsets_[rows.period])
        boosters = self._fit_boosters(data, fold[rows.moment])
        self.oof_raw_ = self._out_of_fold(boosters, matrix, fold, whole)
        self.boosters_ = self._folded(boosters)
        judged = (self.oof_raw_[mature], converted[mature], weight[mature], moment[mature], lead[mature])
        self.calibrator_ = IDENTITY if time is None or not mature.any() else self._calibrate(*judged)
        return self

    @property
    def periods(self) -> Periods:
        return Periods(self.ends_, tuple(self.offsets_.tolist()))

    def predict_within(self, X: ArrayLike | pd.DataFrame | pa.Table, days: Sequence[float]) -> Array:
        """float64[n, len(days)]: probability of converting within so many days, each above 0 and up to the horizon."""
        check_is_fitted(self)
        matrix = self.encoder_.matrix(self._table(X))
        odds = period_log_odds(self.boosters_, matrix, self.offsets_, self.n_jobs)
        return np.column_stack(
            [calibrated(within(odds, self.ends_, horizon), self.calibrator_.to_dict()) for horizon in days]
        )

    def _log_odds(self, boosters: Sequence[lightgbm.Booster], matrix: NDArray[np.floating[Any]]) -> Array:
        odds = period_log_odds(boosters, matrix, self.offsets_, self.n_jobs)
        return within(odds, self.ends_, self.ends_[-1])


def period_log_odds(
    boosters: Sequence[lightgbm.Booster], matrix: NDArray[np.floating[Any]], offsets: Array, threads: int
) -> Array:
    """float64[n, periods]: as `hazards` in training/artifact/standalone.py says.

    Trees that do not ask for the period, nine of ten, are walked once for all periods.
    """
    scores = [_by_period(booster.model_to_string(), matrix.shape[1]) for booster in boosters]
    share = 1 / len(scores)

    def odds_of(part: NDArray[np.floating[Any]]) -> Array:
        odds, rows = np.tile(offsets, (len(part), 1)), np.column_stack([part, np.zeros(len(part), part.dtype)])
        for shared, asking in scores:
            odds += share * shared(rows)[:, np.newaxis]
            for period in range(len(offsets)):
                rows[:, -1] = period
                odds[:, period] += share * asking(rows)
        return odds

    return in_parts(odds_of, matrix, threads)


def _by_period(text: str, period: int) -> tuple[Score, Score]:
    """A booster's trees that do not ask for the period, a column of this place, and those that do."""
    asks = [splits_on(tree, period) for tree in trees_of([text])]
    return scoring(only(text, [not ask for ask in asks])), scoring(only(text, asks))
