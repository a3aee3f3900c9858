"""Rows that are independent evidence: of the moments of a lead, which share its outcome, at most one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array


def one_per_lead(lead: NDArray[Any], time: NDArray[Any], seed: int = 0) -> NDArray[np.int64]:
    """Rows, at most one per lead, that make independent evidence; `lead` and `time` have shape (n).

    Moments of one lead share its outcome, so a test may count only one of them. Which one must not depend on the
    outcome: the newest moment of a lead that converted is the one just before, and even a random one of its moments
    counts converted leads, whose moments end early, too heavily. So a hash of the lead's id names a position, 1st,
    2nd, 3rd … in time, and the lead takes part if it got so far. Positions go up to what one lead in ten reaches.

    >>> one_per_lead(np.array(["a", "b", "a"]), np.array([3, 1, 2])).tolist()
    [1, 2]
    """
    if not len(lead):
        return np.zeros(0, dtype=np.int64)
    ids, codes = np.unique(lead, return_inverse=True)
    order = np.lexsort((time, codes))
    counts = np.bincount(codes)
    position = np.empty(len(codes), dtype=np.int64)
    position[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    positions = int(np.quantile(counts, 0.9, method="lower"))
    drawn = np.array([hash_of_lead(f"{seed}:{lead_id}") % positions for lead_id in ids.tolist()])
    return np.flatnonzero(position == drawn[codes])


def independent(weight: Array, lead: NDArray[Any]) -> Array:
    """Weights (n) that add up to the number of leads that the rows are worth (Kish 1965), not to the number of rows.

    >>> float(independent(np.ones(4), np.array(["a", "a", "b", "b"])).sum())
    2.0
    """
    _, codes = np.unique(lead, return_inverse=True)
    mass = np.bincount(codes, weight)
    return np.asarray(weight * (weight.sum() / (mass @ mass)))
