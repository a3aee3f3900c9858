"""The accumulators of one lead. Its events are known by their place: 1 … n by occurred_at, then by the log's order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from features.kinds.accumulators import EVER

NEVER = -EVER
NO_VALUE = -EVER
FIRST, LAST = 0, 1
HIGH, LOW = 0, 1
LOW_BITS = 32
LOW_MASK = 2**LOW_BITS - 1
compiled = njit(error_model="numpy")
step = njit(error_model="numpy", _nrt=False, inline="always")
"""What is inlined into `walk_leads`."""


class State(NamedTuple):
    """Accumulators, and what is known of the lead's events.

    counts: int32[W, rows], events (and sessions, active days, values) in each window.
    fresh: int32[W, rows], what has become visible since the moment before, by band: the shortest window that reaches
        back to it. An event enters one band, and all its windows at once with the others of its moment.
    totals: int64[V, W, 2], sums of values in each window in whole ten-thousandths, split into high and low bits: exact
        for billions of the largest values, and so independent of order and of what has come and gone.
    track: uint32[2, K], first and last visible place of a group; n + 1 and 0 for none.
    decayed: float64[2, D + k], decayed counts as of the anchor of their rate, events taking turns between two halves:
        otherwise each sum waits for the one before. anchor: int64[R], an instant that follows the events at some
        distance, so that nothing overflows.
    pressed: uint32[P, 2], contacts up to the last answer, and the first place that is later than it.
    day_event: uint32[days, n], the latest visible event of a calendar day: it makes the day active.
    marks: int32[S + D + V, n + 2], whether a visible event opens a session, makes a day active, has a value.
    top: int64[tops, n + 1], Fenwick trees (Fenwick 1994) of maxima, from the last place back.
    place: uint32[n], in the log's order. By place, from 1 to n: time (occurred_at; before the first NEVER, after the
    last EVER), order (row among the lead's in the log), day (rank of the calendar day, UTC), present (code, that of
    bots while not visible), whole (value). expired: uint32[W], the first place that is still in a window. weight:
    float64[R], what an instant counts as of the anchors.
    """

    counts: NDArray[np.int32]
    fresh: NDArray[np.int32]
    totals: NDArray[np.int64]
    track: NDArray[np.uint32]
    decayed: NDArray[np.float64]
    anchor: NDArray[np.int64]
    pressed: NDArray[np.uint32]
    day_event: NDArray[np.uint32]
    marks: NDArray[np.int32]
    top: NDArray[np.int64]
    place: NDArray[np.uint32]
    time: NDArray[np.int64]
    order: NDArray[np.uint32]
    day: NDArray[np.uint32]
    present: NDArray[np.uint32]
    whole: NDArray[np.int64]
    expired: NDArray[np.uint32]
    weight: NDArray[np.float64]


@compiled
def new_state(plan, events):
    """Accumulators with room for a lead of up to `events` events."""
    windows, rows = len(plan.windows), plan.nothing + plan.rows.shape[1]
    marks = len(plan.sessions) + len(plan.days) + len(plan.values)
    return State(
        np.empty((windows, rows), np.int32),
        np.empty((windows, rows), np.int32),
        np.empty((len(plan.values), windows, 2), np.int64),
        np.empty((2, plan.tracked + plan.tracks.shape[1]), np.uint32),
        np.empty((2, len(plan.decays)), np.float64),
        np.empty(len(plan.rates), np.int64),
        np.empty((len(plan.pressures), 2), np.uint32),
        np.empty((len(plan.days), events), np.uint32),
        np.empty((marks, events + 2), np.int32),
        np.empty((len(plan.tops), events + 1), np.int64),
        np.empty(events, np.uint32),
        np.empty(events + 2, np.int64),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.int64),
        np.empty(windows, np.uint32),
        np.empty(len(plan.rates), np.float64),
    )


@step
def clear(state, nobody, n):
    """Forgets the lead before; the next one has `n` events."""
    state.counts[:] = 0
    state.fresh[:] = 0
    state.totals[:] = 0
    state.track[FIRST, :] = n + 1
    state.track[LAST, :] = 0
    state.decayed[:] = 0
    state.anchor[:] = NEVER
    state.pressed[:, 0] = 0
    state.pressed[:, 1] = 1
    state.day_event[:, :n] = 0
    state.marks[:, : n + 2] = 0
    state.top[:, : n + 1] = NO_VALUE
    state.present[: n + 2] = nobody
    state.expired[:] = 1
    state.time[0] = NEVER
    state.time[n + 1] = EVER
