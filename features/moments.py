"""Which moments to learn from and to score: populations and policies.

Population: a lead belongs to it at a moment by what is visible then, so that a lead to be scored and a moment to
learn from are chosen by the same rule. It joins when it is first known (and has done what the target requires), and
leaves when it is known that the target has happened or that its chance has ended.

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

from data.compiled import njit
from data.contract import US_PER_DAY
from data.histories import Histories
from data.visibility import is_visible
from features.kernel import Moments
from features.labels import FAR, Labels, Occurrences, Target, first_of_lead, labels_of

MONDAY = 4 * US_PER_DAY
"""1970-01-05, a Monday: grids of whole weeks fall on Mondays, 00:00 UTC."""


@dataclass(frozen=True)
class MomentPolicy:
    """At which moments of its life a lead is looked at.

    grid: every `every_days` days at 00:00 UTC, the same instants for all leads (multiples of 7: Mondays).
    ages: at `ages_days` days after the lead joined the population. events: just after each event became known.
    max_age_days: no moment later than this after joining. max_per_lead: more moments are thinned evenly and
    weighted up, so that sums over moments stay the same.
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


def label_moments(histories: Histories, target: Target, policy: MomentPolicy, observed_until: int) -> LabelledMoments:
    """All moments of the leads in the target's population up to `observed_until` (µs UTC), with labels.

    Only what is visible at `observed_until` decides. Moments at which nothing was left to predict are left out.
    """
    happened = Occurrences(*_times_of(histories, target.events, histories.occurred_at, observed_until), observed_until)
    lead, as_of, weight = _candidates(histories, target, policy, observed_until)
    labels = labels_of(target, happened, lead, as_of)
    rows = labels.predictable
    return LabelledMoments(Moments(lead[rows], as_of[rows]), labels.of(rows), weight[rows].astype(np.float32))


def open_moments(histories: Histories, target: Target, as_of: int) -> Moments:
    """One moment at `as_of` (µs UTC) for every lead that is in the target's population then: what there is to score."""
    joined, left = _population(histories, target)
    lead = np.flatnonzero((joined < as_of) & (as_of <= left)).astype(np.int32)
    return Moments(lead, np.full(len(lead), as_of, np.int64))


def _population(histories: Histories, target: Target) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64[n_leads] each: a lead is in the population at moments in (joined, left]; FAR for never."""
    joined = np.minimum(
        first_of_lead(histories.starts, histories.known_at),
        first_of_lead(histories.profiles.starts, histories.profiles.valid_from),
    )
    if target.requires:
        joined = np.maximum(joined, first_of_lead(*_times_of(histories, target.requires, histories.known_at)))
    return joined, first_of_lead(*_times_of(histories, target.outcomes, histories.known_at))


def _candidates(
    histories: Histories, target: Target, policy: MomentPolicy, observed_until: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    joined, left = _population(histories, target)
    last = np.minimum(np.minimum(left, observed_until), joined + policy.max_age_days * US_PER_DAY)
    if policy.policy == "grid":
        return _on_grid(joined, last, policy)
    lead, as_of = _ages(joined, policy.ages_days) if policy.policy == "ages" else _after_events(histories)
    inside = (as_of > joined[lead]) & (as_of <= last[lead])
    lead, as_of = lead[inside], as_of[inside]
    count = np.bincount(lead, minlength=len(joined))
    lead, nth, weight = _thin(count, policy.max_per_lead)
    return lead, as_of[(np.cumsum(count) - count)[lead] + nth], weight


def _on_grid(
    joined: NDArray[np.int64], last: NDArray[np.int64], policy: MomentPolicy
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """Thinned before they are written out: a grid of a year has many more moments than are kept."""
    step = policy.every_days * US_PER_DAY
    anchor = MONDAY % step
    first = (joined - anchor) // step + 1
    count = np.maximum((last - anchor) // step - first + 1, 0)
    lead, nth, weight = _thin(count, policy.max_per_lead)
    return lead, (first[lead] + nth) * step + anchor, weight


def _ages(joined: NDArray[np.int64], ages: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    lead = np.repeat(np.flatnonzero(joined < FAR).astype(np.int32), len(ages))
    days = np.tile(np.array(sorted(ages), dtype=np.int64), len(lead) // max(len(ages), 1))
    return lead, joined[lead] + days * US_PER_DAY


def _after_events(histories: Histories) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    lead = np.repeat(np.arange(histories.n_leads, dtype=np.int32), np.diff(histories.starts))
    as_of = histories.known_at + 1
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


def _times_of(
    histories: Histories, types: Sequence[str], times: NDArray[np.int64], until: int = FAR
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each lead's events of these types begin, and their `times`, sorted within the lead.

    Only events that are visible at `until` (µs UTC).
    """
    wanted = np.array([name in types for name in histories.types], dtype=np.bool_)
    begins, gathered = _gather(histories.starts, histories.event_type, histories.known_at, times, wanted, until)
    return begins, gathered


@njit()
def _gather(
    starts: NDArray[np.int64],
    event_type: NDArray[np.int32],
    known_at: NDArray[np.int64],
    times: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    until: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Compiled, because a pass over all events by numpy fills memory with what is thrown away at once."""
    begins, gathered, n = np.zeros(len(starts), np.int64), np.empty(len(times), np.int64), 0
    for lead in range(len(starts) - 1):
        for i in range(starts[lead], starts[lead + 1]):
            if wanted[event_type[i]] and is_visible(known_at[i], until):
                gathered[n] = times[i]
                n += 1
        begins[lead + 1] = n
        gathered[begins[lead] : n].sort()
    return begins, gathered[:n]
