"""Leads that are known by a second id for a while: another address, another device, until somebody merges the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.cohort import SimulatedCohort
from data.simulated.funnel import Ints
from data.simulated.options import FunnelOptions
from data.simulated.rows import EventRows

MERGED, MERGED_DAYS, APART_DAYS = 0.05, (20, 150), (5, 18)
"""Share of leads, days from creation to the merge, and for how many before it some events have the second id."""


@dataclass(frozen=True)
class Merges:
    """Second ids: of which lead, since when it has events, and when it is merged (int64, µs after START)."""

    lead: Ints
    since: Ints
    merged_at: Ints

    def __len__(self) -> int:
        return len(self.lead)

    def of(self, chosen: NDArray[np.bool_]) -> Merges:
        """Those where the mask is true."""
        return Merges(self.lead[chosen], self.since[chosen], self.merged_at[chosen])

    @property
    def names(self) -> NDArray[np.str_]:
        """The second ids."""
        return np.array([f"M{lead:07d}" for lead in self.lead.tolist()], dtype="<U8")


def draw_merges(options: FunnelOptions, cohort: SimulatedCohort, until: int, rng: np.random.Generator) -> Merges:
    """Merges before `until` (µs after START); chance decides, so that they tell nothing."""
    lead = np.flatnonzero(rng.random(len(cohort)) < MERGED * options.merged)
    soonest, latest = (days * US_PER_DAY for days in MERGED_DAYS)
    shortest, longest = (days * US_PER_DAY for days in APART_DAYS)
    merged_at = cohort.created_at[lead] + rng.integers(soonest, latest, size=len(lead))
    apart = rng.integers(shortest, longest, size=len(lead))
    return Merges(lead, merged_at - apart, merged_at).of(merged_at < until)


def under_second_ids(rows: EventRows, merges: Merges, leads: int) -> EventRows:
    """Events outside the CRM get the second id in its time; the id of merge k has the index leads + k."""
    place, since, until = np.full(leads, -1), np.zeros(leads, np.int64), np.zeros(leads, np.int64)
    place[merges.lead], since[merges.lead], until[merges.lead] = np.arange(len(merges)), merges.since, merges.merged_at
    at, second = rows.occurred_at, place[rows.lead]
    moves = (second >= 0) & (at >= since[rows.lead]) & (at < until[rows.lead])
    return rows.having(lead=np.where(moves, leads + second, rows.lead))
