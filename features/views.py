"""Histories in which events prove wrong, as plain ones: a view for each time between two supersessions of a lead.

The walk lets events in as they become known and takes none back. Up to the first supersession of a lead it need not:
all that is known still holds. After it, the events that are known to be wrong are the same until the next one; so a
view leaves them out, and within it events change only by becoming known, as the walk expects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import EACH_EVENT, FAR, Histories, Profiles
from data.visibility import is_valid, is_visible

MOST_ROWS = 4_000_000
"""Rows of views that are held at once, lest a long life with many supersessions fill the memory; one may have more."""

EventArrays = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.bool_],
]
"""starts, known_at, occurred_at, event_type, value, bot: as in Histories, in the order in which the walk reads them."""
ProfileArrays = tuple[NDArray[np.int64], NDArray[np.int64]]
"""starts, valid_from."""


@dataclass(frozen=True)
class Views:
    """Plain histories of v views, for some of the moments.

    moments: int64[m], places of the moments, ascending. view, as_of: int32[m], int64[m], the view and time of each.
    rows: int64[n], the rows of the histories that the views hold, view by view.
    events, profiles: as the walk reads them; of profiles only a lead's first version, which says when it was created.
    """

    moments: NDArray[np.int64]
    view: NDArray[np.int32]
    as_of: NDArray[np.int64]
    rows: NDArray[np.int64]
    events: EventArrays
    profiles: ProfileArrays

    def original(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the histories for rows of the views, of any shape; -1 stays -1."""
        return np.append(self.rows, -1)[rows]


def events_of(histories: Histories) -> EventArrays:
    """The arrays of events that the walk reads."""
    h = histories
    return h.starts, h.known_at, h.occurred_at, h.event_type, h.value, h.bot


def views_of(histories: Histories, lead: NDArray[np.int32], as_of: NDArray[np.int64]) -> Iterator[Views]:
    """Views for all moments at which an event of their lead was known to be wrong; for the others there is no need.

    lead, as_of: the moments, sorted, as in features.kernel.Moments. Costs what the rows of leads with such moments
    cost, once for each of their views; there are no more of them than moments.
    """
    if histories.superseded_at is None:
        return
    waiting = np.flatnonzero(_is_revised(histories.starts, histories.superseded_at, lead, as_of))
    while len(waiting):
        times = (histories.starts, histories.known_at, histories.superseded_at)
        view, starts, rows = _unroll(*times, lead[waiting], as_of[waiting], MOST_ROWS)
        moments, waiting = waiting[: len(view)], waiting[len(view) :]
        of = lead[moments[np.searchsorted(view, np.arange(len(starts) - 1))]]
        events = (starts, *(column[rows] for column in events_of(histories)[1:]))
        yield Views(moments, view, as_of[moments], rows, events, _first_versions(histories.profiles, of))


def still_held(histories: Histories, as_of: int) -> Histories:
    """The same histories without the events that were known to be wrong before a moment (µs UTC): plain ones."""
    if histories.superseded_at is None:
        return histories
    held = ~is_visible(histories.superseded_at, as_of)
    starts = np.concatenate([[0], np.cumsum(held)])[histories.starts]
    columns = {name: getattr(histories, name) for name in EACH_EVENT}
    columns = {name: None if column is None else column[held] for name, column in columns.items()}
    return replace(histories, **{**columns, "starts": starts, "superseded_at": None})


def _first_versions(profiles: Profiles, lead: NDArray[np.int32]) -> ProfileArrays:
    first = profiles.starts[lead]
    has_one = profiles.starts[lead + 1] > first
    return np.concatenate([[0], np.cumsum(has_one)]).astype(np.int64), profiles.valid_from[first[has_one]]


@njit()
def _is_revised(
    starts: NDArray[np.int64], superseded_at: NDArray[np.int64], lead: NDArray[np.int32], as_of: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """For each moment whether an event of its lead was known to be wrong."""
    revised, first = np.zeros(len(lead), np.bool_), FAR
    for r in range(len(lead)):
        if r == 0 or lead[r] != lead[r - 1]:
            first = FAR
            for i in range(starts[lead[r]], starts[lead[r] + 1]):
                first = min(first, superseded_at[i])
        revised[r] = is_visible(first, as_of[r])
    return revised


@njit()
def _unroll(
    starts: NDArray[np.int64],
    known_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    lead: NDArray[np.int32],
    as_of: NDArray[np.int64],
    most: int,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """The view of each moment, where the rows of each view begin, and these; for as many moments as `most` rows do."""
    view, begins = np.empty(len(lead), np.int32), np.zeros(len(lead) + 1, np.int64)
    views, r = 0, 0
    while r < len(lead):
        stop = _end_of_view(starts, superseded_at, lead, as_of, r)
        begin, end = starts[lead[r]], starts[lead[r] + 1]
        valid = is_valid(known_at[begin:end], superseded_at[begin:end], as_of[stop - 1])
        if views and begins[views] + valid.sum() > most:
            break
        view[r:stop], views = views, views + 1
        begins[views] = begins[views - 1] + valid.sum()
        r = stop
    return view[:r], begins[: views + 1], _rows(starts, known_at, superseded_at, lead[:r], as_of, view, begins[views])


@njit()
def _end_of_view(
    starts: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    lead: NDArray[np.int32],
    as_of: NDArray[np.int64],
    r: int,
) -> int:
    """The place behind the last moment that knows the same events of its lead to be wrong as moment `r` does."""
    until, stop = FAR, r
    for i in range(starts[lead[r]], starts[lead[r] + 1]):
        if not is_visible(superseded_at[i], as_of[r]):
            until = min(until, superseded_at[i])
    while stop < len(lead) and lead[stop] == lead[r] and not is_visible(until, as_of[stop]):
        stop += 1
    return stop


@njit()
def _rows(
    starts: NDArray[np.int64],
    known_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    lead: NDArray[np.int32],
    as_of: NDArray[np.int64],
    view: NDArray[np.int32],
    size: int,
) -> NDArray[np.int64]:
    """The rows of all views: of each, those that are valid at its last moment."""
    rows, n = np.empty(size, np.int64), 0
    for r in range(len(lead)):
        if r + 1 == len(lead) or view[r + 1] != view[r]:
            for i in range(starts[lead[r]], starts[lead[r] + 1]):
                if is_valid(known_at[i], superseded_at[i], as_of[r]):
                    rows[n] = i
                    n += 1
    return rows
