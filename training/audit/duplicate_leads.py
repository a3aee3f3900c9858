"""Kin in histories: event types that are one act with the outcome, and leads that are one life under several ids."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_SECOND
from data.histories import Histories

WITHIN = 10 * US_PER_SECOND
FEWEST_TIMES = 3
"""A life of fewer distinct times can be the same by chance: an import, a mailing to all."""
MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Acts:
    """Per event type: how many events there are, and how many of them within seconds of an outcome, or just after it.

    near counts both sides, after those that happened later than the outcome.
    """

    events: Counter[str] = field(default_factory=Counter)
    near: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def add(self, histories: Histories, targets: Collection[str]) -> None:
        """Counts the events of leads; `targets` are the event types that count as the outcome."""
        near, after = near_outcome(histories, targets)
        for code, name in enumerate(histories.types):
            if name not in targets:
                of_type = histories.event_type == code
                self.events[name] += int(of_type.sum())
                self.near[name] += int((of_type & near).sum())
                self.after[name] += int((of_type & after).sum())


def near_outcome(histories: Histories, targets: Collection[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[n_events] each: within seconds of a target event of the same lead, by occurred_at; only of earlier ones."""
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
    order = np.lexsort((histories.occurred_at, lead))
    is_target = np.isin(histories.event_type, [code for code, name in enumerate(histories.types) if name in targets])
    near, in_time = np.zeros(histories.n_events, np.bool_), np.zeros(histories.n_events, np.bool_)
    for way in (order, order[::-1]):  # the outcome before each event, then the one after it
        at = np.maximum.accumulate(np.where(is_target[way], np.arange(len(way)), -1))
        outcome = way[np.maximum(at, 0)]
        later_by = histories.occurred_at[way] - histories.occurred_at[outcome]
        close = (at >= 0) & (lead[way] == lead[outcome]) & (np.abs(later_by) <= WITHIN)
        near[way] |= close
        in_time[way] |= close & (later_by <= 0)
    return near, near & ~in_time


def fingerprints(histories: Histories) -> NDArray[np.uint64]:
    """uint64[n_leads]: equal where two leads have the same events at the same times; 0 for lives too short to tell."""
    names = np.array([zlib.crc32(name.encode()) for name in histories.types] or [0], np.uint64)
    value = np.nan_to_num(histories.value, nan=-1.0).view(np.uint64)
    event_hash = _mixed(histories.occurred_at.view(np.uint64) ^ _mixed(names[histories.event_type] + _mixed(value)))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(event_hash, dtype=np.uint64)])
    print_ = sums[histories.starts[1:]] - sums[histories.starts[:-1]]
    return np.where(_distinct_times(histories) >= FEWEST_TIMES, print_, np.uint64(0))


def _distinct_times(histories: Histories) -> NDArray[np.int64]:
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
    order = np.lexsort((histories.occurred_at, lead))
    new = (np.diff(histories.occurred_at[order], prepend=-(2**62)) != 0) | (np.diff(lead, prepend=-1) != 0)
    return np.bincount(lead[new], minlength=histories.n_leads)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads the bits (the finaliser of splitmix64, Steele et al., OOPSLA 2014)."""
    z = values + MIX
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
