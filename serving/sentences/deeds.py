"""What leads did, by type of event: how often lately and when last, as it was known at the moment of each lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.histories import Histories
from data.visibility import is_valid, is_visible
from features.kernel import Moments

SPANS = (7, 30)
"""Days within which deeds are counted, the shortest first."""
NEVER = np.iinfo(np.int64).min
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Deed:
    """Events of one type of one lead. counts: within SPANS. occurred_at, known_at: µs UTC, of the latest."""

    counts: tuple[int, ...]
    occurred_at: int
    known_at: int


class Deeds:
    """The deeds of all leads of histories; `moments` holds one moment per lead, and only such leads have deeds."""

    def __init__(self, histories: Histories, moments: Moments) -> None:
        self._types = histories.types
        as_of = np.full(histories.n_leads, NEVER)
        as_of[moments.lead] = moments.as_of
        lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
        rows = np.flatnonzero(_valid(histories, as_of[lead]) & ~histories.bot)
        # The latest of each type comes last; of several at once the last in the log's order.
        rows = rows[np.lexsort((rows, histories.occurred_at[rows], histories.event_type[rows], lead[rows]))]
        self._fill(histories, rows, lead[rows], as_of)

    def of(self, lead: int) -> dict[str, Deed]:
        """What a lead did, by type."""
        places = range(*np.searchsorted(self._lead, [lead, lead + 1]).tolist())
        return {
            self._types[self._type[place]]: Deed(
                tuple(counts[place] for counts in self._counts), self._occurred[place], self._known[place]
            )
            for place in places
        }

    def _fill(self, histories: Histories, rows: Indices, lead: Indices, as_of: Indices) -> None:
        kind, occurred = histories.event_type[rows], histories.occurred_at[rows]
        is_last = np.append((lead[1:] != lead[:-1]) | (kind[1:] != kind[:-1]), True)[: len(rows)]
        last, begins = as_of[lead] - occurred, np.flatnonzero(np.append(True, is_last[:-1])[: len(rows)])
        self._lead, self._type = lead[is_last], kind[is_last].tolist()
        self._occurred, self._known = occurred[is_last].tolist(), histories.known_at[rows][is_last].tolist()
        within = (last <= days * US_PER_DAY for days in SPANS)
        self._counts = [np.add.reduceat(mask.astype(np.int64), begins).tolist() if len(rows) else [] for mask in within]


def _valid(histories: Histories, as_of: Indices) -> NDArray[np.bool_]:
    """bool[n_events]: whether an event counts at the moment of its lead."""
    if histories.superseded_at is None:
        return np.asarray(is_visible(histories.known_at, as_of))
    return np.asarray(is_valid(histories.known_at, histories.superseded_at, as_of))
