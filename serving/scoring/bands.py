"""The interval beside a probability, as `Evidence.interval` gives it; for few at a time without arrays.

A single score would wait for arrays longer than for its trees, so few have a path of their own; a test holds it equal.
"""

from __future__ import annotations

from bisect import bisect_right

from scipy.special.cython_special import betaincinv

from training.measuring.evidence import Evidence
from training.measuring.metrics import CONFIDENCE
from training.samples.log_odds import Array

TAIL = (1 - CONFIDENCE) / 2
FEW = 32
"""From so many on arrays are faster."""


class Bands:
    """The bands of score of one model, and how many independent leads each rests on."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.starts, self.leads = list(evidence.starts), list(evidence.leads)

    def intervals(self, probability: Array) -> list[tuple[float, float]]:
        """Low and high end of each probability, float64[n], within (0, 1)."""
        if len(probability) >= FEW:
            return [(low, high) for low, high in self.evidence.interval(probability).tolist()]
        return [self._interval(p) for p in probability.tolist()]

    def _interval(self, p: float) -> tuple[float, float]:
        leads = self.leads[max(bisect_right(self.starts, p) - 1, 0)]
        won, lost = p * leads, (1 - p) * leads
        low = betaincinv(max(won, 1e-9), lost + 1, TAIL)
        return low, betaincinv(won + 1, max(lost, 1e-9), 1 - TAIL)
