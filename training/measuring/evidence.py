"""What happened to leads that scored alike: the interval that stands beside every probability.

It is about what came, not about what the model says: where leads of a band converted less often than it said, the
interval lies below the probability, and may leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from training.measuring.metrics import CONFIDENCE
from training.samples.log_odds import Array

MOST_BANDS, CONVERTED = 20, 15
"""As many bands as leave each about so many converted leads."""
PSEUDO_LEADS = 10.0
"""For so many leads the model's own probability counts beside those of the band: it speaks where they are few."""
TAILS = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


@dataclass(frozen=True)
class Evidence:
    """Leads with known outcome, in bands of score.

    starts: lowest probability of each band, ascending. leads, converted: how many independent leads the moments in
    it are worth, and how many of those converted.
    """

    starts: tuple[float, ...]
    leads: tuple[float, ...]
    converted: tuple[float, ...]

    def interval(self, p: Array) -> Array:
        """float64[n, 2]: 95 % interval of the share that converts among leads that score alike.

        The posterior of the band's share: a beta distribution of its leads that converted and that did not, and of
        PSEUDO_LEADS that did as the probability says. It says how well the share among such leads is known, not what a
        single lead will do.

        >>> Evidence((0.0, 0.3), (1000, 100), (50, 40)).interval(np.array([0.05, 0.7])).round(3).tolist()
        [[0.037, 0.064], [0.337, 0.52]]
        """
        starts, leads, converted = self._arrays
        band = np.maximum(np.searchsorted(starts, p, side="right") - 1, 0)
        won = converted[band] + PSEUDO_LEADS * p
        lost = leads[band] - converted[band] + PSEUDO_LEADS * (1 - p)
        return np.column_stack([betaincinv(won, lost, tail) for tail in TAILS])

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array]:
        starts, leads, converted = (
            np.asarray(values, dtype=np.float64) for values in (self.starts, self.leads, self.converted)
        )
        return starts, leads, converted


def evidence_of(p: Array, y: Array, weight: Array, lead: NDArray[Any]) -> Evidence:
    """Evidence from out-of-fold probabilities, outcomes (0/1), weights and leads of moments, all of shape (n).

    Moments of one lead tell less than as many leads: a band of weights w is worth (sum w)² / sum over leads (w)²
    leads (Kish 1965).
    """
    codes = np.unique(lead, return_inverse=True)[1]
    starts = _starts(p, y, weight, len(np.unique(codes[y > 0])))
    band = np.searchsorted(starts, p, side="right") - 1
    cells, cell = np.unique(band * (codes.max() + 1) + codes, return_inverse=True)
    mass = np.bincount(cell, weight)
    of = cells // (codes.max() + 1)
    leads = np.bincount(of, mass) ** 2 / np.bincount(of, mass**2)
    share = np.bincount(band, weight * y) / np.bincount(band, weight)
    return Evidence(tuple(starts.tolist()), tuple(leads.round(1).tolist()), tuple((leads * share).round(1).tolist()))


def _starts(p: Array, y: Array, weight: Array, converted: int) -> Array:
    """Where bands begin: about equally many conversions in each, so that rare high scores get bands of their own."""
    order = np.argsort(p, kind="stable")
    # A conversion weighs as much as all the others that come with it on average.
    base = max(float(np.average(y, weights=weight)), 1e-9)
    mass = np.cumsum(weight[order] * (y[order] / base + 1))
    bands = max(1, min(MOST_BANDS, converted // CONVERTED))
    edges = np.searchsorted(mass, np.linspace(0, mass[-1], bands, endpoint=False))
    return np.unique(p[order][edges])
