"""What was predicted and what came of it, month by month and band by band, from outcomes that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.thresholds.track_record import Story

EDGES = (0.0, 0.01, 0.05, 0.2, 1.0)
"""Bands of probability: below 1, from 1 to 5, from 5 to 20, and from 20 percent on."""


@dataclass(frozen=True)
class Kept:
    """Leads of one month and band, each at its first moment there.

    month: its first day, e.g. 2024-05-01. band: place among EDGES. promised: sum of their probabilities. came: how many
    converted.
    """

    month: str
    band: int
    leads: int
    promised: float
    came: int


def months_of(story: Story) -> list[Kept]:
    """In order of month and band; those without a lead are left out."""
    month = story.as_of.astype("datetime64[us]").astype("datetime64[M]")
    order = np.lexsort((story.as_of, story.lead, month))
    _, first = np.unique(np.rec.fromarrays([month[order].astype(np.int64), story.lead[order]]), return_index=True)
    rows = order[first]
    band = np.searchsorted(EDGES[1:-1], story.p[rows], side="right")
    key = month[rows].astype(np.int64) * len(EDGES) + band
    found = []
    for each in np.unique(key):
        mine = rows[key == each]
        start = np.datetime64(int(each) // len(EDGES), "M").astype("datetime64[D]")
        promised, came = float(story.p[mine].sum()), int(story.y[mine].sum())
        found.append(Kept(str(start), int(each) % len(EDGES), len(mine), promised, came))
    return found
