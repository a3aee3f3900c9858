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
from training.model.rates import PastOutcomes
from training.samples.folds import fold_of_leads, fold_of_rows
from training.samples.log_odds import Array
from training.samples.thinning import Thinned, parts_of


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
        thinning: Thinned | None = None,
    ) -> Self:
        """Fits on n rows; y holds two classes, the second in sort order is conversion. Raises ValueError otherwise.

        since: when the outcome of each row was certain, in the unit of time; without it there are no running rates, for
        they would count outcomes that nobody knew yet. thinning: what rows stand for that are not all there are; rates,
        folds' predictions and calibration look at whole leads.
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
        taught, whole = parts_of(weight, thinning)
        known = known_rows(np.where(whole, label, np.nan), weight, lead, moment, since)
        matrix = self._with_rates(table, known)
        rows = slice(None) if thinning is None else taught > 0
        boosters = self._fit_boosters(self._dataset(matrix[rows], label[rows], taught[rows]), fold[rows])
        self.oof_raw_ = self._out_of_fold(boosters, matrix, fold, whole)
        self.boosters_ = self._folded(boosters)
        if moment is None:
            self.calibrator_ = IDENTITY
        else:
            judged = (self.oof_raw_[whole], label[whole], weight[whole], moment[whole], lead[whole])
            self.calibrator_ = self._calibrate(*judged)
        return self


def known_rows(
    y: NDArray[Any], weight: Array, lead: NDArray[Any], time: NDArray[np.int64] | None, since: ArrayLike | None
) -> PastOutcomes | None:
    """What rates may count: outcomes of rows that weigh anything. None where it is not said when they were certain."""
    if time is None or since is None:
        return None
    return PastOutcomes(lead, time, np.asarray(since), np.where(weight > 0, y, np.nan))
