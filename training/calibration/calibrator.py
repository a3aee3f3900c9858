"""Calibration, and its gate: a model's probabilities are changed only where leads that came later say that it helps.

Every calibrator is three numbers, p -> sigmoid(a ln p - b ln(1 - p) + c), so an artifact carries only those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.contract import DataError
from data.typed_json import JsonObject, from_json
from features.numbers_in_words import Language, number, signed
from training.samples.log_odds import Array, clip, fit_logistic, logit, row_losses

MIN_SLOPE = 0.01
"""Slopes stay positive, so that a calibrator never turns a ranking around."""
PRIOR = 1.0
"""Strength of the pull towards "change nothing", in rows: it decides only where there are next to no labels."""
MOST_ROWS = 5_000
"""Rows that a calibrator is fitted to at most."""
STEPS = 4
"""Forward steps of the gate."""
ROUNDING = 1e-9
"""Log-loss that is nothing."""

Mapper = Callable[[Array], Array]
Fit = Callable[[Array, Array, Array], Mapper]


class StoredCalibrator(TypedDict):
    """A calibrator as JSON."""

    name: str
    a: float
    b: float
    c: float


@dataclass(frozen=True)
class Calibrator:
    """A monotone map of probabilities; input and output are kept within [1e-6, 1 - 1e-6].

    >>> double_the_odds = Calibrator("sigmoid", 1.0, 1.0, float(np.log(2)))
    >>> double_the_odds(np.array([0.5, 0.8])).round(3).tolist()
    [0.667, 0.889]
    """

    name: str
    a: float
    b: float
    c: float

    def __call__(self, p: Array) -> Array:
        """Calibrated probabilities (n, float64) of raw ones."""
        clipped = clip(p)
        return clip(np.asarray(expit(self.a * np.log(clipped) - self.b * np.log1p(-clipped) + self.c)))

    def to_dict(self) -> StoredCalibrator:
        """Plain values for JSON."""
        return {"name": self.name, "a": self.a, "b": self.b, "c": self.c}


IDENTITY = Calibrator("identity", 1.0, 1.0, 0.0)


def calibrator_from(values: object) -> Calibrator:
    """Inverse of `Calibrator.to_dict`. Raises DataError for missing or infinite numbers and slopes of 0 or less.

    >>> calibrator_from(IDENTITY.to_dict()) == IDENTITY
    True
    """
    try:
        calibrator = from_json(Calibrator, values, "calibrator")
    except DataError as error:
        raise DataError(f"{error}; train the model again") from None
    if not (calibrator.a > 0 and calibrator.b > 0):
        raise DataError(f"{calibrator} needs a, b > 0; train the model again")
    return calibrator


def gathered(p: Array, y: Array, weight: Array, most: int = MOST_ROWS) -> tuple[Array, Array, Array]:
    """The rows (n each), or at most so many in their place: neighbours in p as one, with their mean and their weight.

    A calibrator has three numbers and sees p alone, so that nothing is lost but the cost of many rows. The scale of
    weights has no say: they add up to Kish's sample size.
    """
    weight = weight * weight.sum() / (weight @ weight)
    if len(p) <= most:
        return p, y, weight
    member = np.empty(len(p), np.int64)
    member[np.argsort(p, kind="stable")] = np.arange(len(p)) * most // len(p)
    mass = np.bincount(member, weight).astype(np.float64)
    some = mass > 0
    z, share = (np.bincount(member, weight * values)[some] / mass[some] for values in (logit(p), y))
    return np.asarray(expit(z)), share, mass[some]


def fit_temperature(p: Array, y: Array, weight: Array) -> Calibrator:
    """Logit times a: more or less self-assured, 0.5 stays 0.5 (Guo et al., On Calibration of Modern Networks, 2017)."""
    p, y, weight = gathered(p, y, weight)
    (a,) = _fit(logit(p)[:, np.newaxis], [1.0], [MIN_SLOPE], y, weight)
    return Calibrator("temperature", a, a, 0.0)


def fit_sigmoid(p: Array, y: Array, weight: Array) -> Calibrator:
    """Logit times a plus c (Platt 1999, on the logit instead of the probability)."""
    p, y, weight = gathered(p, y, weight)
    z = logit(p)
    a, c = _fit(np.column_stack([z, np.ones_like(z)]), [1.0, 0.0], [MIN_SLOPE, -np.inf], y, weight)
    return Calibrator("sigmoid", a, a, c)


def fit_beta(p: Array, y: Array, weight: Array) -> Calibrator:
    """Own slopes for small and for large probabilities (Kull, Silva Filho & Flach, Beta calibration, AISTATS 2017)."""
    p, y, weight = gathered(p, y, weight)
    clipped = clip(p)
    columns = np.column_stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(clipped)])
    a, b, c = _fit(columns, [1.0, 1.0, 0.0], [MIN_SLOPE, MIN_SLOPE, -np.inf], y, weight)
    return Calibrator("beta", a, b, c)


def _fit(x: Array, start: list[float], lower: list[float], y: Array, weight: Array) -> list[float]:
    return [float(coefficient) for coefficient in fit_logistic(x, y, weight, np.array(start), np.array(lower), PRIOR)]


CANDIDATES: Mapping[str, Callable[[Array, Array, Array], Calibrator]] = {
    "temperature": fit_temperature,
    "sigmoid": fit_sigmoid,
    "beta": fit_beta,
}


TRIAL: Mapping[tuple[Language, bool], str] = {
    ("en", True): "{name} saves {gain} log-loss (standard error {se}) on {leads} leads that came later: taken",
    (
        "en",
        False,
    ): "{name} saves {gain} log-loss (standard error {se}) on {leads} leads that came later: not taken, one "
    "standard error is asked for",
    ("de", True): "{name} spart {gain} Log-Loss (Standardfehler {se}) bei {leads} Leads, die später kamen: übernommen",
    ("de", False): "{name} spart {gain} Log-Loss (Standardfehler {se}) bei {leads} Leads, die später kamen: nicht "
    "übernommen, verlangt ist ein Standardfehler",
}
"""By whether a trial was accepted."""


@dataclass(frozen=True)
class CalibrationTrial:
    """What a candidate gained on leads it was not fitted on: log-loss per row saved over doing nothing."""

    name: str
    gain: float
    se: float
    leads: int

    @property
    def accepted(self) -> bool:
        """Better than doing nothing by more than one standard error, and by more than rounding makes of the same."""
        return self.gain > max(self.se, ROUNDING)

    def in_words(self, language: Language = "en") -> str:
        """What a trial came to.

        >>> CalibrationTrial("newest_step = yes", 0.002, 0.001, 500).in_words()
        'newest_step = yes saves +0.00200 log-loss (standard error 0.00100) on 500 leads that came later: taken'
        """
        return TRIAL[language, self.accepted].format(
            name=self.name,
            gain=signed(self.gain, 5, language),
            se=number(self.se, 5, language),
            leads=number(self.leads, 0, language),
        )

    def to_dict(self) -> JsonObject:
        """Plain values for JSON; an infinite error is None."""
        return {**asdict(self), "se": self.se if np.isfinite(self.se) else None, "accepted": self.accepted}


@dataclass(frozen=True)
class Choice:
    """The calibrator to use, fitted on all rows, and why."""

    calibrator: Calibrator
    verdicts: tuple[CalibrationTrial, ...]


def choose_calibrator(p: Array, y: Array, weight: Array, time: NDArray[Any], groups: NDArray[Any]) -> Choice:
    """The best accepted candidate by `forward_trial`, fitted on all rows; the identity when none is accepted.

    `p` are out-of-fold probabilities, `y` 0/1, `weight` ≥ 0, `time` orders the moments (e.g. int64 µs UTC), `groups`
    are the leads; all of shape (n).
    """
    verdicts = tuple(forward_trial(name, fit, p, y, weight, time, groups) for name, fit in CANDIDATES.items())
    best = best_accepted(verdicts)
    return Choice(CANDIDATES[best.name](p, y, weight) if best else IDENTITY, verdicts)


def best_accepted(trials: Iterable[CalibrationTrial]) -> CalibrationTrial | None:
    """The accepted trial that gained most; None where none was accepted."""
    return max((trial for trial in trials if trial.accepted), key=lambda trial: trial.gain, default=None)


def forward_trial(
    name: str, fit: Fit, p: Array, y: Array, weight: Array, time: NDArray[Any], groups: NDArray[Any], steps: int = STEPS
) -> CalibrationTrial:
    """Forward-chained trial of one way to calibrate: fitted on the past, judged on the leads that came next.

    Each step fits on all rows before a point in time and judges on the leads first seen in the block after it. A
    lead is thus judged once, never by a calibrator that saw it, and whether a row takes part never depends on its
    label (leaving out the past rows of leads that are still open would drop negatives and bias the fit).
    The standard error is clustered by lead. Nothing to judge on: a gain of 0 with an infinite error.
    """
    _, lead = np.unique(groups, return_inverse=True)
    saved, counts = np.zeros(len(p)), np.zeros(len(p))
    for past, judged in forward_steps(time, lead, steps):
        mapper = fit(p[past], y[past], weight[past])
        saved[judged] = row_losses(y[judged], logit(p[judged])) - row_losses(y[judged], logit(mapper(p[judged])))
        counts[judged] = weight[judged]
    return CalibrationTrial(name, *gain_and_error(saved, counts, lead))


def gain_and_error(saved: Array, weight: Array, groups: NDArray[Any]) -> tuple[float, float, int]:
    """Mean of what rows (n) saved, its standard error, and the number of leads, which are the independent draws."""
    _, lead = np.unique(groups, return_inverse=True)
    gains, weights = (np.bincount(lead, values).astype(np.float64) for values in (weight * saved, weight))
    return *_mean_and_error(gains[weights > 0], weights[weights > 0]), int((weights > 0).sum())


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


def _mean_and_error(gains: Array, weights: Array) -> tuple[float, float]:
    """Mean gain per unit of weight and its standard error, leads being the independent draws (ratio estimator)."""
    if len(gains) < 2:
        return 0.0, float("inf")
    mean = gains.sum() / weights.sum()
    spread = ((gains - mean * weights) ** 2).sum() * len(gains) / (len(gains) - 1)
    return float(mean), float(np.sqrt(spread) / weights.sum())


def composed(base: Calibrator, over: Calibrator) -> Calibrator:
    """The calibrator that does `base`, then `over`, which must be a line in log-odds.

    >>> half, more = Calibrator("temperature", 0.5, 0.5, 0.0), Calibrator("intercept", 1.0, 1.0, 1.0)
    >>> composed(half, more)
    Calibrator(name='temperature, intercept', a=0.5, b=0.5, c=1.0)
    """
    if over.a != over.b:
        raise ValueError(f"{over.name} is no line in log-odds")
    return Calibrator(f"{base.name}, {over.name}", over.a * base.a, over.a * base.b, over.a * base.c + over.c)
