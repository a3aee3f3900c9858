"""What was predicted and what came of it, month by month and band by band, from outcomes that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.samples.log_odds import Array

EDGES = (0.0, 0.01, 0.05, 0.2, 1.0)
"""Bands of probability: below 1, from 1 to 5, from 5 to 20, and from 20 percent on."""


@dataclass(frozen=True, slots=True)
class MonthBand:
    """Leads of one month and band, each at its first moment there.

    month: its first day, e.g. 2024-05-01. band: place among EDGES. promised: sum of their probabilities. came: how many
    converted.
    """

    month: str
    band: int
    leads: int
    promised: float
    came: int


def count_by_month(
    lead: NDArray[Any], as_of: NDArray[np.int64], p: Array, y: Array, edges: Sequence[float] = EDGES
) -> list[MonthBand]:
    """In order of month and band; those without a lead are left out. as_of: µs UTC; y: 0/1."""
    month = as_of.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    order = np.lexsort((as_of, lead, month))
    _, first = np.unique(np.rec.fromarrays([month[order], lead[order]]), return_index=True)
    rows = order[first]
    p, y = p[rows], y[rows]
    key = month[rows] * len(edges) + np.searchsorted(edges[1:-1], p, side="right")
    return [_month_band(int(place), len(edges), p[key == place], y[key == place]) for place in np.unique(key)]


def _month_band(key: int, edges: int, p: Array, y: Array) -> MonthBand:
    month, band = divmod(key, edges)
    start = np.datetime64(month, "M").astype("datetime64[D]")
    return MonthBand(str(start), band, len(p), float(p.sum()), int(y.sum()))
