"""What if a stage began elsewhere: what a threshold brings, and which one a wish leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from data.contract import UsageError
from training.measuring.metrics import binomial_interval
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence
from training.thresholds.threshold_selection import by_capacity, by_precision

By = Literal["chance", "share", "week"]
"""A wish: begin at a chance; where at least a share is proven to buy; so that so many leads a week come up at most."""
LIMITS: dict[By, tuple[float, float]] = {"chance": (0.1, 99.0), "share": (0.1, 99.0), "week": (0.1, 1e6)}
"""Lowest and highest value of each: percent, percent, leads a week."""
RULES = {"precision": "share", "capacity": "week"}


@dataclass(frozen=True)
class Brings:
    """What a threshold brings.

    probability: where the stage begins. leads, wins: new ones a week, on average. busiest: leads that nine weeks of ten
    do not exceed. expected: share of the leads that is expected
    to convert, None without leads. Of the labels above, `selected` in number, `converted` did; low, high: 95 % interval
    of that share, None without labels. of_all: share of all conversions that lies above.
    """

    probability: float
    leads: float
    busiest: float
    wins: float
    expected: float | None
    selected: int
    converted: int
    low: float | None
    high: float | None
    of_all: float


def brings(grounds: ThresholdEvidence, probability: float) -> Brings:
    """What a threshold at a probability brings, by the labels and the flow on which a model's promises rest."""
    labels, (leads, wins) = grounds.labels, grounds.volume.above(probability)
    above = labels.p >= probability
    selected, converted = int(above.sum()), int(labels.y[above].sum())
    low = high = None
    if selected:
        low, high = (float(bound) for bound in binomial_interval(converted / selected, selected))
    expected = wins / leads if leads else None
    of_all = converted / max(labels.y.sum(), 1)
    busiest = grounds.volume.busy_week(probability)
    return Brings(probability, leads, busiest, wins, expected, selected, converted, low, high, of_all)


def wished(grounds: ThresholdEvidence, stage: str, by: By, value: float) -> Threshold | None:
    """The threshold of a wish with its record; None for a chance, which promises nothing. Raises UsageError."""
    low, high = LIMITS[by]
    if not low <= value <= high:
        raise UsageError(f"{value:g} must lie between {low:g} and {high:g}")
    if by == "share":
        return grounds.threshold(lambda labels, flow: by_precision(stage, labels, flow, value / 100))
    if by == "week":
        return grounds.threshold(lambda labels, flow: by_capacity(stage, labels, flow, value))
    return None
