"""How many leads a stage brings in a week, whatever that is known from; and the scored labels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.samples.log_odds import Array


@dataclass(frozen=True)
class ScoredLabels:
    """Evidence: calibrated probabilities `p` (n) and outcomes `y` (n, 0/1) of independent leads, see `one_per_lead`."""

    p: Array
    y: Array


class Volume(Protocol):
    """How many leads a stage brings, by where it begins: `StageReplay` of past weeks, `CrossSection` without any."""

    @property
    def per_week(self) -> float:
        """Leads a week that come up at all."""

    @property
    def is_enough(self) -> bool:
        """Whether there is a lead to expect anything of."""

    def above(self, probability: float) -> tuple[float, float]:
        """Leads a week that enter for the first time, and how many of them convert, on average."""

    def busy_week(self, probability: float) -> float:
        """Leads that nine weeks of ten do not exceed, as far as weeks are known."""

    def lowest_threshold_for(self, per_week: float) -> float | None:
        """The lowest threshold that brings no more than that; 0 where all fit, None where none does."""


@dataclass(frozen=True)
class CrossSection:
    """A volume where past weeks are not known, as in a table without histories: each lead is seen once.

    p: probabilities (n) of leads at one moment each. per_week: how many such leads come up in a week.
    """

    p: Array
    per_week: float

    @property
    def is_enough(self) -> bool:
        """Whether there is a lead."""
        return len(self.p) > 0

    def above(self, probability: float) -> tuple[float, float]:
        """Leads per week at or above a probability, and how many of them are expected to convert.

        >>> CrossSection(np.array([0.1, 0.5]), per_week=10).above(0.5)
        (5.0, 2.5)
        """
        share = self.per_week / len(self.p)
        chosen = self.p >= probability
        return float(chosen.sum() * share), float(self.p[chosen].sum() * share)

    def busy_week(self, probability: float) -> float:
        """Leads in an average week: of others nothing is known."""
        return self.above(probability)[0]

    def lowest_threshold_for(self, per_week: float) -> float | None:
        """The lowest of the probabilities above which no more than that come up."""
        scores, counts = np.unique(self.p, return_counts=True)
        fits = scores[np.cumsum(counts[::-1])[::-1] * (self.per_week / len(self.p)) <= per_week]
        if not len(fits):
            return None
        return 0.0 if len(fits) == len(scores) else float(fits[0])
