"""The classifier for labels that are known: bagged LightGBM, calibrated out of fold; scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from training.calibration.calibrator import IDENTITY
from training.model.boosted import Boosted
from training.model.encoding import Encoder
from training.model.rates import Known
from training.samples.folds import fold_of_leads, fold_of_rows
from training.samples.log_odds import Array


class LeadConversionClassifier(Boosted):
    """Probability that a lead converts: the mean, in log-odds, of LightGBM models of which each left one fold out.

    Every model stops early on the log-loss of the fold that it did not see; their predictions for those folds are
    out of fold, and choose the calibrator (see training/calibration/). No class weights: they ruin probabilities.

    fit takes a numeric array, a pandas frame of mixed types, or a feature table (pyarrow). `groups` (the lead of
    each row) keeps all rows of a lead in one fold; `time` (int64, any unit) orders leads and lets the calibration
    gate look forward only. Without them folds are dealt out by class and no calibration is tried.

    Attributes after fit: see Boosted.
    """

    def fit(
        self,
        X: ArrayLike | pd.DataFrame | pa.Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
        since: ArrayLike | None = None,
    ) -> Self:
        """Fits on n rows; y holds two classes, the second in sort order is conversion. Raises ValueError otherwise.

        since: when the outcome of each row was certain, in the unit of time; at the row itself if not given.
        """
        table, target = self._checked(X, y)
        check_consistent_length(table, target, groups, time, since)
        label, weight = self._two_classes(target, sample_weight)
        self.encoder_ = Encoder.fit(table, table.column_names)
        # Where no leaf could be split in two, the model is the base rate: one fold, one leaf.
        tiny = weight.sum() < 2 * self.min_leaf
        folds = 1 if tiny else int(min(self.n_folds, np.bincount(label).min()))
        lead = np.arange(len(label)) if groups is None else np.asarray(groups)
        moment = None if time is None else np.asarray(time)
        fold = fold_of_rows(label, folds) if moment is None else fold_of_leads(lead, moment, folds)
        known = None if moment is None else known_rows(label, weight, lead, moment, since)
        matrix = self._with_rates(self.encoder_.matrix(table), known)
        boosters = self._fit_boosters(self._dataset(matrix, label, weight), fold)
        self.oof_raw_ = self._out_of_fold(boosters, matrix, fold)
        self.boosters_ = self._folded(boosters)
        self.calibrator_ = IDENTITY if moment is None else self._calibrate(self.oof_raw_, label, weight, moment, lead)
        return self


def known_rows(
    y: NDArray[Any], weight: Array, lead: NDArray[Any], time: NDArray[np.int64], since: ArrayLike | None
) -> Known:
    """What rates may count: outcomes of rows that weigh anything, certain at their rows if `since` says nothing."""
    return Known(lead, time, time if since is None else np.asarray(since), np.where(weight > 0, y, np.nan))
