"""What features add to a prediction, in log-odds."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np

from training.artifact.manifest import Periods
from training.artifact.standalone import by_period, explained
from training.samples.log_odds import Array


def contributions(boosters: Sequence[lightgbm.Booster], periods: Periods | None, matrix: Array) -> Array:
    """float64[n, features + 1]: SHAP values of the mean of boosters, before calibration; last comes the base."""
    if periods is None:
        return _shap(boosters, matrix)
    parts = enumerate(by_period(boosters, len(periods.ends), periods.models))
    shap = [_shap(mix, np.column_stack([matrix, np.full(len(matrix), float(k))])) for k, mix in parts]
    return explained(np.stack(shap, axis=1), periods.offsets)


def _shap(mix: Sequence[lightgbm.Booster], matrix: Array) -> Array:
    by_booster = [booster.predict(matrix, pred_contrib=True, num_threads=1) for booster in mix]
    return np.asarray(np.mean(by_booster, axis=0))
