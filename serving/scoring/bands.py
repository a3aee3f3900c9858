"""The interval beside a probability, as `Evidence.interval` gives it; for few at a time without arrays.

A single score would wait for arrays longer than for its trees, so few have a path of their own; a test holds it equal.
"""

from __future__ import annotations

from bisect import bisect_right

from scipy.special.cython_special import betaincinv

from training.measuring.evidence import PSEUDO_LEADS, TAILS, Evidence
from training.samples.log_odds import Array

FEW = 32
"""From so many on arrays are faster."""


class Bands:
    """The bands of score of one model: how many independent leads each rests on, and how many of them converted."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.starts, self.leads = list(evidence.starts), list(evidence.leads)
        self.converted = list(evidence.converted)

    def intervals(self, probability: Array) -> list[tuple[float, float]]:
        """Low and high end of each probability, float64[n], within (0, 1)."""
        if len(probability) >= FEW:
            return [(low, high) for low, high in self.evidence.interval(probability).tolist()]
        return [self._interval(p) for p in probability.tolist()]

    def _interval(self, p: float) -> tuple[float, float]:
        band = max(bisect_right(self.starts, p) - 1, 0)
        won, lost = self.converted[band], self.leads[band] - self.converted[band]
        won, lost = won + PSEUDO_LEADS * p, lost + PSEUDO_LEADS * (1 - p)
        low, high = TAILS
        return betaincinv(won, lost, low), betaincinv(won, lost, high)
