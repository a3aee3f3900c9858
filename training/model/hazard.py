"""The classifier that learns from open leads too: a discrete-time hazard model, coherent for every horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from training.artifact.manifest import Periods
from training.artifact.standalone import calibrated, within
from training.artifact.tree_text import only, splits_on, trees_of
from training.calibration.calibrator import IDENTITY
from training.model.boosted import Boosted
from training.model.classifier import known_rows
from training.model.encoding import Encoder
from training.model.periods import PeriodRows, base_log_odds, ends_of, models_of, rows_of, thinned
from training.model.small_trees import Score, in_parts, scoring
from training.samples.folds import fold_of_leads
from training.samples.log_odds import Array
from training.samples.thinning import Thinned, parts_of


class HazardClassifier(Boosted):
    """Probability that a lead converts within h days, for every h up to the horizon.

    The horizon is cut into periods (periods.py). Models give the odds of converting in each, having not done so
    before (Cox 1972; Singer & Willett, It's about time, J. Educ. Stat. 18, 1993); P(within h) = 1 - the
    product of not converting in the periods up to h, so it never falls in h. A moment teaches about each period that
    was observed, whether or not its outcome is known: an open lead counts for as long as it was watched.

    Trees see the period as the last column, and start from the period's base rate. They seldom split on it, so that one
    model for all of the horizon would move the odds of all days alike, and oversell the hottest leads: the first week,
    the rest of the month and what follows have models of their own, where there are conversions enough.

    fit knows days of a moment by name, so that scikit-learn's tools hand them on; a frame has them (`Frame.watched`):

    >>> model = HazardClassifier().fit(frame.X, frame.seen, groups=frame.lead, **frame.watched)  # doctest: +SKIP

    predict_proba is for the whole horizon, as that of LeadConversionClassifier. One monotone calibrator, chosen on
    mature moments out of fold, maps the probabilities of all horizons, which leaves them coherent.

    Attributes after fit: see Boosted, but boosters_ holds the members of the first model first; ends_ (days, where
    periods end), offsets_ (float64[periods], log-odds) and models_ (the number of each period's model).
    """

    ends_: tuple[int, ...]
    offsets_: Array
    models_: tuple[int, ...]

    def fit(
        self,
        X: ArrayLike | pd.DataFrame | pa.Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
        since: ArrayLike | None = None,
        thinning: Thinned | None = None,
        event_days: ArrayLike | None = None,
        observed_days: ArrayLike | None = None,
        horizon_days: int = 1,
    ) -> Self:
        """Fits on n moments; y holds two classes, the second in sort order is to have been seen to convert.

        event_days: float64[n], days until conversion, NaN where none was seen. observed_days: float64[n], how long each
        moment was watched: below horizon_days the first class says "not so far". Without them every moment was watched
        for the whole horizon, which is one period. groups, time, since, thinning: as for LeadConversionClassifier.
        Raises ValueError when fewer than two conversions were seen, or days contradict y.
        """
        table, target = self._checked(X, y)
        check_consistent_length(table, target, groups, time, since, event_days, observed_days)
        converted, weight = self._two_classes(target, sample_weight)
        event, observed = watched(converted, event_days, observed_days, horizon_days)
        lead = np.arange(len(event)) if groups is None else np.asarray(groups)
        moment = np.arange(len(event)) if time is None else np.asarray(time)
        self.ends_ = ends_of(horizon_days)
        taught, whole = parts_of(weight, thinning)
        rows = rows_of(event, observed, self.ends_, taught)
        if (seen := int(rows.label.sum())) < 2:
            raise ValueError(f"{seen} conversions were seen within {horizon_days} days; at least two are needed")
        self.offsets_ = base_log_odds(rows, len(self.ends_))
        self.models_ = models_of(self.ends_, np.bincount(rows.period, rows.label, len(self.ends_)).tolist())
        weighs = np.where(weight > 0, moment, moment.max() + 1)  # leads without weight last: they leave no fold empty
        rows, fold = thinned(rows, lead), fold_of_leads(lead, weighs, min(self.n_folds, seen))
        self.encoder_ = Encoder.fit(table, table.column_names)
        mature = (observed >= horizon_days) & whole
        known = known_rows(np.where(mature, converted, np.nan), weight, lead, moment, None if time is None else since)
        matrix = self._with_rates(table, known)
        model = np.array(self.models_)[rows.period]
        boosters, curves = list[lightgbm.Booster](), tuple[tuple[float, ...], ...]()
        for number in range(model.max() + 1):
            boosters += self._fit_part(matrix, rows.of(model == number), fold)
            curves += self.curves_
        self.curves_ = curves
        self.oof_raw_ = self._out_of_fold(boosters, matrix, fold, whole)
        self.boosters_ = self._folded(boosters)
        judged = (self.oof_raw_[mature], converted[mature], weight[mature], moment[mature], lead[mature])
        self.calibrator_ = IDENTITY if time is None or not mature.any() else self._calibrate(*judged)
        return self

    @property
    def periods(self) -> Periods:
        return Periods(self.ends_, tuple(self.offsets_.tolist()), self.models_)

    def predict_within(self, X: ArrayLike | pd.DataFrame | pa.Table, days: Sequence[float]) -> Array:
        """float64[n, len(days)]: probability of converting within so many days, each above 0 and up to the horizon."""
        check_is_fitted(self)
        matrix = self.encoder_.matrix(self._table(X))
        odds = self._period_log_odds(self.boosters_, matrix)
        return np.column_stack(
            [calibrated(within(odds, self.ends_, horizon), self.calibrator_.to_dict()) for horizon in days]
        )

    def _sees_rates(self, fold: int, twin: bool) -> bool:
        """Of neighbours, and of the two of a fold, one: were it all, a simulated funnel would be told less truly."""
        return (fold + twin) % 2 == 1

    def _fit_part(
        self, matrix: NDArray[np.float32], rows: PeriodRows, fold: NDArray[np.int64]
    ) -> list[lightgbm.Booster]:
        """The members of the mix, fitted to the rows of one model; matrix, fold: of all moments."""
        expanded = np.column_stack([matrix[rows.moment], rows.period.astype(np.float32)])
        data = self._dataset(expanded, rows.label, rows.weight, self.offsets_[rows.period])
        return self._fit_boosters(data, fold[rows.moment])

    def _log_odds(self, boosters: Sequence[lightgbm.Booster], matrix: NDArray[np.floating[Any]]) -> Array:
        return within(self._period_log_odds(boosters, matrix), self.ends_, self.ends_[-1])

    def _period_log_odds(self, boosters: Sequence[lightgbm.Booster], matrix: NDArray[np.floating[Any]]) -> Array:
        """float64[n, periods]: as `hazards` in training/artifact/standalone.py says.

        Trees that do not ask for the period, nine of ten, are walked once for all periods of their model.
        """
        size = len(boosters) // (self.models_[-1] + 1)
        scores = [_by_period(booster.model_to_string(), matrix.shape[1]) for booster in boosters]

        def odds_of(part: NDArray[np.floating[Any]]) -> Array:
            odds = np.tile(self.offsets_, (len(part), 1))
            rows = np.column_stack([part, np.zeros(len(part), part.dtype)])
            for number, (shared, asking) in enumerate(scores):
                periods = [period for period, model in enumerate(self.models_) if model == number // size]
                odds[:, periods] += shared(rows)[:, np.newaxis] / size
                for period in periods:
                    rows[:, -1] = period
                    odds[:, period] += asking(rows) / size
            return odds

        return in_parts(odds_of, matrix, self.n_jobs)


def watched(
    converted: NDArray[np.int64],
    event_days: ArrayLike | None,
    observed_days: ArrayLike | None,
    horizon_days: int,
) -> tuple[Array, Array]:
    """float64[n] each: days until conversion and days watched; at once and the whole horizon where nothing is said.

    Raises ValueError where days contradict what converted (int64[n], 0/1).

    >>> watched(np.array([1, 0]), None, None, 30)[1].tolist()
    [30.0, 30.0]
    """
    whole = np.full(len(converted), float(horizon_days))
    event = np.where(converted == 1, 0.0, np.nan) if event_days is None else np.asarray(event_days, np.float64)
    if wrong := int(((event < horizon_days) != (converted == 1)).sum()):
        raise ValueError(
            f"event_days contradict y in {wrong} of {len(event)} rows: they are to be below horizon_days = "
            f"{horizon_days} where y is the second class, and nowhere else"
        )
    return event, whole if observed_days is None else np.asarray(observed_days, np.float64)


def _by_period(text: str, period: int) -> tuple[Score, Score]:
    """A booster's trees that do not ask for the period, a column of this place, and those that do."""
    asks = [splits_on(tree, period) for tree in trees_of([text])]
    return scoring(only(text, [not ask for ask in asks])), scoring(only(text, asks))
