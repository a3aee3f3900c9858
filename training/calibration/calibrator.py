"""Calibration: what a model says out of fold is mapped to what became of the newest leads, in part where they are few.

Every calibrator is three numbers, p -> sigmoid(a ln p - b ln(1 - p) + c), so an artifact carries only those. There is
no gate: on one past a trial of so small a change is noise, and to pull it towards none costs less than such mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.contract import DataError
from data.typed_json import JsonObject, from_json
from features.numbers_in_words import Language, number, signed
from training.samples.independent import independent
from training.samples.log_odds import Array, clip, fit_logistic, logit

MIN_SLOPE = 0.01
"""Slopes stay positive, so that a calibrator never turns a ranking around."""
MOST_ROWS = 5_000
"""Rows that a calibrator is fitted to at most."""
NEWEST = 0.5
"""Share of the moments that calibrate, the newest: of earlier ones rates had seen little, and times have changed."""
BELIEF = np.array([0.3, 0.3, 0.5])
"""How far slopes and, last, the shift are believed to lie from changing nothing, in standard deviations."""
ROUNDING = 1e-9
"""Log-loss that is nothing."""


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

    A calibrator has three numbers and sees p alone, so that nothing is lost but the cost of many rows.
    """
    if len(p) <= most:
        return p, y, weight
    member = np.empty(len(p), np.int64)
    member[np.argsort(p, kind="stable")] = np.arange(len(p)) * most // len(p)
    mass = np.bincount(member, weight).astype(np.float64)
    some = mass > 0
    z, share = (np.bincount(member, weight * values)[some] / mass[some] for values in (logit(p), y))
    return np.asarray(expit(z)), share, mass[some]


def fit_sigmoid(p: Array, y: Array, weight: Array, lead: NDArray[Any]) -> Calibrator:
    """One slope for all: logit times a plus c (Platt 1999, on the logit instead of the probability)."""
    a, c = _fit(lambda p: [logit(p)], p, y, weight, lead)
    return Calibrator("sigmoid", a, a, c)


def fit_beta(p: Array, y: Array, weight: Array, lead: NDArray[Any]) -> Calibrator:
    """Own slopes for small and for large probabilities (Kull, Silva Filho & Flach, Beta calibration, AISTATS 2017)."""
    a, b, c = _fit(lambda p: [np.log(p), -np.log1p(-p)], p, y, weight, lead)
    return Calibrator("beta", a, b, c)


def calibrator_of(p: Array, y: Array, weight: Array, time: NDArray[Any], lead: NDArray[Any]) -> Calibrator:
    """What the newest half of the moments that count asks for; nothing where none counts.

    `p` are out-of-fold probabilities, `y` 0/1, `weight` ≥ 0, `time` orders the moments (e.g. int64 µs UTC), `lead` says
    whose they are; all of shape (n).
    """
    counted = weight > 0
    if not counted.any():
        return IDENTITY
    rows = counted & (time >= np.quantile(time[counted], 1 - NEWEST, method="lower"))
    return fit_beta(p[rows], y[rows], weight[rows], lead[rows])


def _fit(columns: Callable[[Array], list[Array]], p: Array, y: Array, weight: Array, lead: NDArray[Any]) -> list[float]:
    """Slopes of columns and, last, the shift: rows count for as many leads as they are worth, `BELIEF` for the rest."""
    p, y, weight = gathered(p, y, independent(weight, lead))
    x = np.column_stack([*columns(clip(p)), np.ones_like(p)])
    slopes = x.shape[1] - 1
    start, lower = np.array([1.0] * slopes + [0.0]), np.array([MIN_SLOPE] * slopes + [-np.inf])
    coefficients: list[float] = fit_logistic(x, y, weight, start, lower, BELIEF[-len(start) :] ** -2).tolist()
    return coefficients


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


def best_accepted(trials: Iterable[CalibrationTrial]) -> CalibrationTrial | None:
    """The accepted trial that gained most; None where none was accepted."""
    return max((trial for trial in trials if trial.accepted), key=lambda trial: trial.gain, default=None)


def gain_and_error(saved: Array, weight: Array, groups: NDArray[Any]) -> tuple[float, float, int]:
    """Mean of what rows (n) saved, its standard error, and the number of leads, which are the independent draws."""
    _, lead = np.unique(groups, return_inverse=True)
    gains, weights = (np.bincount(lead, values).astype(np.float64) for values in (weight * saved, weight))
    return *_mean_and_error(gains[weights > 0], weights[weights > 0]), int((weights > 0).sum())


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
