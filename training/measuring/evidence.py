"""What happened to leads that scored alike: the interval that stands beside every probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.measuring.metrics import binomial_interval
from training.samples.log_odds import Array

MOST_BANDS, CONVERTED = 20, 15
"""As many bands as leave each about so many converted leads."""


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
        """float64[n, 2]: 95 % interval (Clopper & Pearson 1934) of each probability, as sure as its band has leads.

        It says how well the share among such leads is known, not what a single lead will do.

        >>> Evidence((0.0, 0.3), (1000, 100), (50, 40)).interval(np.array([0.05, 0.4])).round(3).tolist()
        [[0.037, 0.065], [0.303, 0.503]]
        """
        starts, leads = self._arrays
        band = np.maximum(np.searchsorted(starts, p, side="right") - 1, 0)
        return binomial_interval(p, leads[band]).T

    @cached_property
    def _arrays(self) -> tuple[Array, Array]:
        return np.asarray(self.starts, dtype=np.float64), np.asarray(self.leads, dtype=np.float64)


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
