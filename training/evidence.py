"""What happened to leads that scored alike: the interval that stands beside every probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.logits import Array
from training.metrics import binomial_interval
from training.thresholds import Labels

BANDS = 20


@dataclass(frozen=True)
class Evidence:
    """Independent leads with known outcome, in bands of score.

    starts: lowest probability of each band, ascending. leads, converted: how many lie in it, how many converted.
    """

    starts: tuple[float, ...]
    leads: tuple[int, ...]
    converted: tuple[int, ...]

    def interval(self, p: Array) -> Array:
        """float64[n, 2]: 95 % interval (Clopper & Pearson 1934) of each probability, as sure as its band has leads.

        It says how well the share among such leads is known, not what a single lead will do.

        >>> Evidence((0.0, 0.3), (1000, 100), (50, 40)).interval(np.array([0.05, 0.4])).round(3).tolist()
        [[0.037, 0.065], [0.303, 0.503]]
        """
        band = np.maximum(np.searchsorted(self.starts, p, side="right") - 1, 0)
        return binomial_interval(p, np.asarray(self.leads, dtype=np.float64)[band]).T

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def evidence_of(labels: Labels) -> Evidence:
    """Bands of about equally many converted leads, so that the rare high scores get bands of their own."""
    order = np.argsort(labels.p, kind="stable")
    p, y = labels.p[order], labels.y[order]
    # A converted lead weighs as much as all the others that come with it on average.
    mass = np.cumsum(y / max(y.mean(), 1e-9) + 1)
    edges = np.searchsorted(mass, np.linspace(0, mass[-1], min(BANDS, max(len(p) // 50, 1)), endpoint=False))
    starts = np.unique(p[edges])
    band = np.searchsorted(starts, p, side="right") - 1
    leads = np.bincount(band, minlength=len(starts))
    converted = np.bincount(band, y, len(starts))
    return Evidence(tuple(starts.tolist()), tuple(leads.tolist()), tuple(converted.astype(int).tolist()))


def evidence_from(values: Mapping[str, Any]) -> Evidence:
    """Inverse of `Evidence.to_dict`."""
    return Evidence(tuple(values["starts"]), tuple(values["leads"]), tuple(values["converted"]))
