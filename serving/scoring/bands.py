"""The interval beside a probability, for few at a time: what `Evidence.interval` gives, without arrays."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from scipy.special.cython_special import betaincinv

from training.measuring.evidence import Evidence
from training.measuring.metrics import CONFIDENCE

TAIL = (1 - CONFIDENCE) / 2


class Bands:
    """The bands of score of one model, and how many independent leads each rests on."""

    def __init__(self, evidence: Evidence) -> None:
        self.starts, self.leads = list(evidence.starts), list(evidence.leads)

    def intervals(self, probabilities: Sequence[float]) -> list[tuple[float, float]]:
        """Low and high end of each (Clopper & Pearson, Biometrika 26, 1934); probabilities lie within (0, 1)."""
        found = []
        for p in probabilities:
            leads = self.leads[max(bisect_right(self.starts, p) - 1, 0)]
            won, lost = p * leads, (1 - p) * leads
            low = betaincinv(max(won, 1e-9), lost + 1, TAIL)
            found.append((low, betaincinv(won + 1, max(lost, 1e-9), 1 - TAIL)))
        return found
