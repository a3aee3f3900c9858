"""Which moments to learn from and to score: those of the population, by policies.

A lead to be scored and a moment to learn from are chosen by the same rule, by what is valid at the moment
(features/population.py). A lead that comes back has moments in each of its times there; its age goes on from when it
first joined.

What came of a moment is said by features/labels.py. Beside the label stands when in its window the target happened,
and how much of the window was observed: what a censored moment can teach. A chance that has ended is observed as long
as one that is still open: taken for observed to the end, leads that were lost would be counted where open ones of the
same age are not yet, and conversions would look too rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.histories import FAR, Histories
from features.kernel import Moments
from features.labels import Labels, Target, labels_of
from features.outcomes import occurrences_of
from features.population import Population, population_of

MONDAY = 4 * US_PER_DAY
"""1970-01-05, a Monday: grids of whole weeks fall on Mondays, 00:00 UTC."""


@dataclass(frozen=True)
class MomentPolicy:
    """At which moments of its life a lead is looked at.

    grid: every `every_days` days at 00:00 UTC, the same instants for all leads (multiples of 7: Mondays).
    ages: at `ages_days` days after the lead joined the population. events: just after each event became known, unless
    it was known to be wrong by then. max_age_days: no moment later than this after joining. max_per_lead: more moments
    are thinned evenly and weighted up, so that sums over moments stay the same.
    """

    policy: Literal["grid", "ages", "events"] = "grid"
    every_days: int = 7
    ages_days: tuple[int, ...] = (1, 3, 7, 14, 30, 60, 90)
    max_age_days: int = 365
    max_per_lead: int = 60


@dataclass(frozen=True)
class LabelledMoments:
    """Moments in order of (lead, as_of) with what became of them; weight: float32[n]."""

    moments: Moments
    labels: Labels
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.moments)


def label_moments(
    histories: Histories, target: Target, policy: MomentPolicy, observed_until: int, known_until: int | None = None
) -> LabelledMoments:
    """All moments of the leads in the target's population up to `observed_until` (µs UTC), with labels.

    Only what happened before it decides, by what is known at `known_until`, then if not given. Moments at which nothing
    was left to predict are left out.
    """
    happened = occurrences_of(histories, target, observed_until, known_until)
    lead, as_of, weight = _candidates(histories, target, policy, observed_until)
    labels = labels_of(target, happened, lead, as_of)
    rows = labels.predictable
    return LabelledMoments(Moments(lead[rows], as_of[rows]), labels.of(rows), weight[rows].astype(np.float32))


def open_moments(histories: Histories, target: Target, as_of: int) -> Moments:
    """One moment at `as_of` (µs UTC) for every lead that is in the target's population then: what there is to score."""
    lead = population_of(histories, target).at(as_of)
    return Moments(lead, np.full(len(lead), as_of, np.int64))


def _candidates(
    histories: Histories, target: Target, policy: MomentPolicy, observed_until: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    population = population_of(histories, target)
    last = np.minimum(observed_until, population.joined + policy.max_age_days * US_PER_DAY)
    if policy.policy == "grid":
        return _on_grid(population, last, policy)
    looked = _ages(population.joined, policy.ages_days) if policy.policy == "ages" else _after_events(histories)
    lead, as_of = looked
    inside = (as_of <= last[lead]) & population.has(lead, as_of)
    lead, as_of = lead[inside], as_of[inside]
    count = np.bincount(lead, minlength=len(last))
    lead, nth, weight = _thin(count, policy.max_per_lead)
    return lead, as_of[(np.cumsum(count) - count)[lead] + nth], weight


def _on_grid(
    population: Population, last: NDArray[np.int64], policy: MomentPolicy
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """Thinned before they are written out: a grid of a year has many more moments than are kept."""
    step = policy.every_days * US_PER_DAY
    anchor = MONDAY % step
    first = (population.since - anchor) // step + 1
    end = np.minimum(population.until, last[population.lead])
    count = np.maximum((end - anchor) // step - first + 1, 0)
    count[population.since >= FAR] = 0
    before = np.append(0, np.cumsum(count))[population.starts]
    lead, nth, weight = _thin(np.diff(before), policy.max_per_lead)
    row, nth = (lead, nth) if population.is_single else _placed(count, before[lead] + nth)
    return lead, (first[row] + nth) * step + anchor, weight


def _placed(count: NDArray[np.int64], nth: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where rows have `count` moments each: the row of the nth of all, and its place there."""
    ends = np.cumsum(count)
    row = np.searchsorted(ends, nth, side="right")
    return row, nth - (ends - count)[row]


def _ages(joined: NDArray[np.int64], ages: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    lead = np.repeat(np.flatnonzero(joined < FAR).astype(np.int32), len(ages))
    days = np.tile(np.array(sorted(ages), dtype=np.int64), len(lead) // max(len(ages), 1))
    return lead, joined[lead] + days * US_PER_DAY


def _after_events(histories: Histories) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    lead = np.repeat(np.arange(histories.n_leads, dtype=np.int32), np.diff(histories.starts))
    as_of = histories.known_at + 1
    if histories.superseded_at is not None:
        valid = as_of <= histories.superseded_at
        lead, as_of = lead[valid], as_of[valid]
    fresh = np.ones(len(lead), np.bool_)
    fresh[1:] = (lead[1:] != lead[:-1]) | (as_of[1:] != as_of[:-1])
    return lead[fresh], as_of[fresh]


def _thin(count: NDArray[np.int64], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """Which moments to keep where leads have `count` each: at most `most`, evenly spread, the first one among them.

    Returns the lead, the place among the lead's moments, and the weight: the kept ones carry the weight of all.
    """
    thinned = np.minimum(count, most)
    lead = np.repeat(np.arange(len(count), dtype=np.int32), thinned)
    k = np.arange(len(lead)) - (np.cumsum(thinned) - thinned)[lead]
    return lead, -(-k * count[lead] // thinned[lead]), (count / np.maximum(thinned, 1))[lead]
