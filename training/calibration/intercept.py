"""The rolling intercept: how far a model's log-odds have drifted, learnt step by step from labels as they mature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.contract import US_PER_DAY
from data.typed_json import JsonObject
from training.calibration.calibrator import CalibrationTrial, gain_and_error
from training.samples.independent import independent
from training.samples.log_odds import Array, logit, row_losses

PERIOD = 7 * US_PER_DAY
"""Steps fall on the same instants whenever they are counted: multiples of a week, Thursdays 00:00 UTC."""
SHARE = 0.5
"""How much of what a period's labels ask for is done: the rest may be chance, or over before it is used."""
FEWEST_CONVERTED = 16
"""Converted leads of a step. A logit's standard error is about 1 / sqrt(16) = 1/4, and half of it is taken over."""
PRIOR = 1.0
"""Strength of the pull towards "change nothing", in leads."""
STEPS = 4
"""Forward steps of a trial."""
NEWEST = 0.1
"""Share of moments whose out-of-fold residuals speak for what comes next."""
ITERATIONS, STRIDE = 100, 1.0


@dataclass(frozen=True)
class MaturedRows:
    """Moments whose outcome is known, in any order, and what a model said of them.

    p: float64[n], probabilities. y: float64[n], 0/1. weight: float64[n]. lead: [n]. as_of: int64[n], µs UTC.
    known_at: int64[n], µs UTC, when the label had matured: nothing may use it before.
    """

    p: Array
    y: Array
    weight: Array
    lead: NDArray[Any]
    as_of: NDArray[np.int64]
    known_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.bool_ | np.int64]) -> MaturedRows:
        """The rows where the mask is true, or at these places."""
        return MaturedRows(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def converted(self) -> int:
        """Leads that converted: moments of one lead share its outcome."""
        return len(np.unique(self.lead[self.y > 0]))


@dataclass(frozen=True)
class InterceptStep:
    """One step: at `at` (µs UTC) labels of so many leads had matured since the last one.

    expected, observed: share that was to convert, by the model and the steps before, and that did. step: what was added
    to the log-odds. shift: the sum so far.
    """

    at: int
    leads: int
    converted: int
    expected: float
    observed: float
    step: float
    shift: float

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return asdict(self)


def edges_of(rows: MaturedRows, until: int, period: int = PERIOD) -> NDArray[np.int64]:
    """Times (µs UTC) at which labels are looked at: multiples of `period` from the first matured label to `until`."""
    if not len(rows):
        return np.empty(0, np.int64)
    first = -(-int(rows.known_at.min()) // period) * period
    return np.arange(first, until + 1, period, dtype=np.int64)


def rolling_steps(rows: MaturedRows, edges: NDArray[np.int64], share: float = SHARE) -> Iterator[InterceptStep]:
    """Steps of the intercept at `edges` (ascending), each from the labels that have matured since the one before.

    A step waits until FEWEST_CONVERTED leads have converted. It is measured under the shift that is in force now, not
    the one in force when the labels' moments were scored, so that a delay of labels makes it late but never too large.
    """
    shift, since = 0.0, np.iinfo(np.int64).min
    for edge in edges.tolist():
        fresh = rows.of((rows.known_at > since) & (rows.known_at <= edge))
        if fresh.converted < FEWEST_CONVERTED:
            continue
        z = logit(fresh.p) + shift
        step = share * offset(z, fresh.y, independent(fresh.weight, fresh.lead))
        expected, observed = (float(np.average(values, weights=fresh.weight)) for values in (expit(z), fresh.y))
        shift, since = shift + step, edge
        yield InterceptStep(edge, len(np.unique(fresh.lead)), fresh.converted, expected, observed, step, shift)


def newest_step(p: Array, y: Array, weight: Array, lead: NDArray[Any], as_of: NDArray[np.int64]) -> float:
    """Half of the step in log-odds that the newest tenth of moments (n) asks for, from out-of-fold probabilities p.

    0 where fewer than FEWEST_CONVERTED leads have converted there.
    """
    newest = as_of >= np.quantile(as_of, 1 - NEWEST, method="lower")
    if len(np.unique(lead[newest & (y > 0)])) < FEWEST_CONVERTED:
        return 0.0
    return SHARE * offset(logit(p[newest]), y[newest], independent(weight[newest], lead[newest]))


def newest_step_trial(
    p: Array, y: Array, weight: Array, lead: NDArray[Any], as_of: NDArray[np.int64], since: NDArray[np.int64]
) -> CalibrationTrial:
    """What the step of `newest_step` would have gained at past dates, on the leads that came next.

    since: int64[n], when labels were certain: each date knows those before it. The predictions are the fit's own out
    of fold, so that nothing is fitted for the question; what that fit knows of later levels is taken away by the
    intercept of all that was known at the date.
    """
    code, z = np.unique(lead, return_inverse=True)[1], logit(p)
    saved, counts = np.zeros(len(p)), np.zeros(len(p))
    for past, judged in forward_steps(as_of, code, STEPS):
        known = past & (since <= as_of[judged].min())
        if known.any():
            fitted = z + offset(z[known], y[known], independent(weight[known], lead[known]))
            step = newest_step(expit(fitted[known]), y[known], weight[known], lead[known], as_of[known])
            saved[judged] = row_losses(y[judged], fitted[judged]) - row_losses(y[judged], fitted[judged] + step)
            counts[judged] = weight[judged]
    return CalibrationTrial("newest_step = yes", *gain_and_error(saved, counts, code))


def offset(z: Array, y: Array, weight: Array) -> float:
    """What has to be added to log-odds z (n) so that as many convert as are expected; `PRIOR` leads ask for nothing.

    Newton's method on a concave function, with a limit on the stride.

    >>> round(offset(np.zeros(1000), np.arange(1000) % 4 == 0, np.ones(1000)), 2)
    -1.09
    """
    shift = 0.0
    for _ in range(ITERATIONS):
        p = expit(z + shift)
        slope, curve = weight @ (y - p) - PRIOR * shift, weight @ (p * (1 - p)) + PRIOR
        stride = float(np.clip(slope / curve, -STRIDE, STRIDE))
        shift += stride
        if abs(stride) < 1e-12:
            break
    return shift


def forward_steps(
    time: NDArray[Any], lead: NDArray[np.int64], steps: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks (past, judged) of each step; blocks hold about equally many rows, equal times stay together.

    >>> time, lead = np.array([1, 2, 3, 4]), np.array([0, 1, 0, 2])
    >>> [(past.tolist(), judged.tolist()) for past, judged in forward_steps(time, lead, 1)]
    [([True, True, False, False], [False, False, False, True])]
    """
    order = np.sort(time)
    edges = np.unique(order[(np.arange(1, steps + 1) * len(order)) // (steps + 1)]) if len(order) else order
    block = np.searchsorted(edges, time, side="right")
    first = np.full(lead.max(initial=-1) + 1, len(edges))
    np.minimum.at(first, lead, block)
    for step in range(1, len(edges) + 1):
        past, judged = block < step, first[lead] == step
        if past.any() and judged.any():
            yield past, judged
