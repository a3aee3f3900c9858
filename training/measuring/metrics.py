"""How good probabilities are, in numbers, and how sure we are of each number.

What cannot be said is NaN: the AUC of a slice where nobody converted, the slope of a constant score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit

from data.compiled import njit
from training.samples.log_odds import Array, fit_logistic, logit, row_losses

MEASURES = ("log_loss", "brier", "auc", "average_precision", "top_decile_lift", "slope", "intercept")
BINS = 10
RESAMPLES = 1000
CONFIDENCE = 0.95
TOP = 0.1
BLOCK = 500_000
"""Random numbers held at once, so that memory does not grow with the number of resamples."""


@dataclass(frozen=True)
class Slice:
    """One prediction on one set of rows, prepared to be measured under many weightings of its leads.

    `sums` (leads, 8) are the per-lead totals that weigh in linearly; `line` (2) the calibration line; the rest are the
    rows from the highest score down, `last` marking the last of equal scores.
    """

    sums: Array
    line: Array
    lead: NDArray[np.int64]
    weight: Array
    label: Array
    last: NDArray[np.bool_]

    def under(self, times: Array) -> Array:
        """`MEASURES` (r, 7) when each lead counts `times` (r, leads)."""
        sums = times @ self.sums
        means = _ratio(sums[:, :2], sums[:, 2:3])
        return np.hstack([means, _ranking(times, self.lead, self.weight, self.label, self.last), self._lines(sums)])

    def _lines(self, sums: Array) -> Array:
        # The one-step bootstrap: a Newton step from the common line (Kline & Santos, J. Econometric Methods 1, 2012).
        gradient_slope, gradient_level, aa, ac, cc = sums[:, 3:].T
        slope = cc * gradient_slope - ac * gradient_level
        level = aa * gradient_level - ac * gradient_slope
        return self.line + _ratio(np.column_stack([slope, level]), (aa * cc - ac * ac)[:, np.newaxis])


def slice_of(y: Array, p: Array, weight: Array, lead: NDArray[Any]) -> Slice:
    """Prepares labels `y` (n, 0/1), probabilities `p` (n), row weights ≥ 0 (n) and lead ids (n) to be measured."""
    codes = lead_codes(lead)
    z, line = logit(p), calibration_line(y, p, weight)
    mu = expit(line[0] * z + line[1])
    off, bend = y - mu, mu * (1 - mu)
    columns = (row_losses(y, z), (p - y) ** 2, np.ones_like(z), z * off, off, z * z * bend, z * bend, bend)
    sums = np.column_stack([np.bincount(codes, weight * column).astype(np.float64) for column in columns])
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)
    return Slice(sums, line, codes[order], weight[order], y[order].astype(np.float64), last)


def measures(y: Array, p: Array, weight: Array) -> dict[str, float]:
    """All of `MEASURES` by name.

    log_loss and brier; auc (ties count half); average_precision as scikit-learn defines it; top_decile_lift: the
    conversion rate among the tenth with the highest scores, relative to all; slope and intercept of
    `calibration_line`. Probabilities are clipped at 1e-6 where a logarithm is taken.

    >>> values = measures(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.2]), np.ones(3))
    >>> values["auc"], round(values["log_loss"], 4)
    (0.75, 0.646)
    """
    whole = slice_of(y, p, weight, np.zeros(len(y)))
    return dict(zip(MEASURES, whole.under(np.ones((1, 1)))[0].tolist(), strict=True))


def bootstrap(slices: Sequence[Slice], resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """`MEASURES` of slices of the same rows under resampled leads: (slices, resamples, 7), paired by resample.

    All rows of a lead enter together, as often as a Poisson(1) number says: the bootstrap of leads with a total that
    is free to vary (Chamandy et al., Estimating uncertainty for massive data streams, 2012).
    """
    rng = np.random.default_rng(seed)
    leads = len(slices[0].sums)
    step = max(1, BLOCK // leads)
    blocks = (rng.poisson(1.0, (min(step, resamples - at), leads)) for at in range(0, resamples, step))
    return np.concatenate([[part.under(times.astype(np.float64)) for part in slices] for times in blocks], axis=1)


def interval(draws: Array, confidence: float = CONFIDENCE) -> Array:
    """Low and high end (2, ...) of bootstrapped values (resamples, ...); NaN where more than half could not be said.

    >>> interval(np.arange(1001.0)).round(6).tolist()
    [25.0, 975.0]
    """
    missing = np.isnan(draws).mean(axis=0) > 0.5
    tail = (1 - confidence) / 2
    ends = np.nanquantile(np.where(missing, 0.0, draws), [tail, 1 - tail], axis=0)
    return np.where(missing, np.nan, ends)


def calibration_line(y: Array, p: Array, weight: Array) -> Array:
    """Slope and intercept (2) of the logistic regression of `y` on the logit of `p`: 1 and 0 if calibrated (Cox 1958).

    A slope below 1 means that probabilities are too extreme, above 1 too timid. NaN where there is only one class or
    only one score, or where a cut parts the classes. `y` may hold true probabilities: then luck has no part in it.
    """
    z, counted = logit(p), weight > 0
    if not _has_line(y[counted], z[counted]):
        return np.full(2, np.nan)
    columns = np.column_stack([z, np.ones_like(z)])
    return fit_logistic(columns, y, weight, np.array([1.0, 0.0]), np.full(2, -np.inf))


def _has_line(y: Array, z: Array) -> bool:
    below, above = z[y <= 0], z[y >= 1]
    if len(below) + len(above) < len(y):
        return bool(np.ptp(z) > 0)
    return min(len(below), len(above)) > 0 and below.max() > above.min() and above.max() > below.min()


@dataclass(frozen=True)
class Gains:
    """What is won when leads are taken from the highest score down.

    `score` (g) are the distinct scores, highest first; `reached` and `won` (g) the weight of all rows, and of
    converted rows, at or above each.
    """

    score: Array
    reached: Array
    won: Array


def gains(y: Array, p: Array, weight: Array) -> Gains:
    """The gains curve; equal scores are taken together.

    >>> gains(np.array([0, 1, 1]), np.array([0.1, 0.4, 0.1]), np.ones(3)).won.tolist()
    [1.0, 2.0]
    """
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    return Gains(p[order][ends], np.cumsum(weight[order])[ends], np.cumsum((weight * y)[order])[ends])


def equal_bins(p: Array, weight: Array, bins: int = BINS) -> NDArray[np.int64]:
    """Bin (n) of each row, bins holding about equal weight, equal probabilities sharing one.

    >>> equal_bins(np.array([0.1, 0.2, 0.2, 0.9]), np.ones(4), bins=2).tolist()
    [0, 1, 1, 1]
    """
    values, inverse = np.unique(p, return_inverse=True)
    mass = np.bincount(inverse, weight, len(values))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return np.asarray(bin_of[inverse])


def ece(y: Array, p: Array, weight: Array, bins: int = BINS) -> float:
    """Expected calibration error: mean distance between bin averages of `p` and `y`, over bins of equal weight.

    Chance alone keeps it above 0: compare with `ece_floor`.
    """
    return float(_ece((p - y)[np.newaxis], weight, equal_bins(p, weight, bins))[0])


def ece_floor(p: Array, weight: Array, lead: NDArray[Any], bins: int = BINS, draws: int = 400, seed: int = 0) -> Array:
    """ECE (draws) that these very probabilities would show were they true, by simulation.

    The moments of a lead share their luck (one uniform number each), because they largely share their outcome.
    """
    codes, binned = lead_codes(lead), equal_bins(p, weight, bins)
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // len(p))
    luck = (rng.random((min(step, draws - at), codes.max() + 1)) for at in range(0, draws, step))
    return np.concatenate([_ece(p - (uniforms[:, codes] < p), weight, binned) for uniforms in luck])


def _ece(residual: Array, weight: Array, binned: NDArray[np.int64]) -> Array:
    member = np.zeros((len(weight), binned.max() + 1))
    member[np.arange(len(weight)), binned] = weight
    return np.asarray(np.abs(residual @ member).sum(axis=-1) / weight.sum())


def binomial_interval(share: float | Array, count: float | Array, confidence: float = CONFIDENCE) -> Array:
    """Exact interval (2, ...) of a share seen among `count` independent leads (Clopper & Pearson, Biometrika 26, 1934).

    >>> binomial_interval(0.0, 100).round(3).tolist()
    [0.0, 0.036]
    """
    won, lost, tail = np.asarray(share * count), np.asarray((1 - share) * count), (1 - confidence) / 2
    low = np.where(won > 0, betaincinv(np.maximum(won, 1e-9), lost + 1, tail), 0.0)
    high = np.where(lost > 0, betaincinv(won + 1, np.maximum(lost, 1e-9), 1 - tail), 1.0)
    return np.stack([low, high])


def lead_codes(lead: NDArray[Any]) -> NDArray[np.int64]:
    """Leads (n) as whole numbers from 0 in the order of their ids, whatever the order of rows."""
    _, codes = np.unique(lead, return_inverse=True)
    return np.asarray(codes, dtype=np.int64)


def _ratio(above: Array, below: Array) -> Array:
    full = np.broadcast_to(below, above.shape)
    return np.asarray(np.divide(above, full, out=np.full(above.shape, np.nan), where=full != 0))


@njit()
def _ranking(times: Array, lead: NDArray[np.int64], weight: Array, label: Array, last: NDArray[np.bool_]) -> Array:
    """AUC, average precision and top-decile lift (r, 3) of rows sorted from the highest score down."""
    results = np.full((len(times), 3), np.nan)
    for draw in range(len(times)):
        total = 0.0
        for row in range(len(lead)):
            total += times[draw, lead[row]] * weight[row]
        reached = won = reached_before = won_before = area = precision = captured = 0.0
        for row in range(len(lead)):
            mass = times[draw, lead[row]] * weight[row]
            reached += mass
            won += mass * label[row]
            if last[row] and reached > reached_before:
                gained, taken = won - won_before, reached - reached_before
                area += (taken - gained) * (won + won_before) / 2
                precision += gained * won / reached
                captured += gained * min(max((TOP * total - reached_before) / taken, 0.0), 1.0)
                reached_before, won_before = reached, won
        if 0 < won < reached:
            results[draw, 0] = area / (won * (reached - won))
        if won > 0:
            results[draw, 1] = precision / won
            results[draw, 2] = captured / won / TOP
    return results
