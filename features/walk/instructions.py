"""What a catalogue compiles to: flat arrays that the walk reads instead of definitions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Instructions(NamedTuple):
    """The compiled plan. An event type's code is its place in the vocabulary; then come unknown types and bots.

    windows: int64[W], µs, ascending, the last one is EVER.
    member: bool[T + 2, G], whether events of a code belong to a group; bots belong to none.
    rows: uint32[T + 2, k], in which rows of the counts events of a code count; what is left over names the last row.
    tracks: uint32[T + 2, k], the same for the groups of which first and last events are kept.
    sessions: uint32[S, 2], group and track of each. days, values, tops: uint32, groups.
        Counts have a row per group, then per session group, active-day group and valued group, then one for nothing.
    rates: float64[R], half-lives per µs. decaying: uint32[T + 2, k], the same for decays.
        decays: uint32[D + k], the rate of each, and of what is left over.
    pressures: uint32[P, 2], group of contacts, track of answers.
    touches: uint32[H], track of each FirstTouch and LastTouch, in column order.
    counted: uint32[C, 3], column, row and window of columns that are counts.
    ops: uint32[N - C, 5], one instruction per other column: the column, what to read, and up to three operands.
    types: how many groups, the first ones, are event types to be told apart; 0 when no definition asks.
    nothing: the last row of the counts, which nobody reads. tracked: K, how many tracks there are.
    """

    windows: NDArray[np.int64]
    member: NDArray[np.bool_]
    rows: NDArray[np.uint32]
    tracks: NDArray[np.uint32]
    sessions: NDArray[np.uint32]
    days: NDArray[np.uint32]
    values: NDArray[np.uint32]
    tops: NDArray[np.uint32]
    rates: NDArray[np.float64]
    decays: NDArray[np.uint32]
    decaying: NDArray[np.uint32]
    pressures: NDArray[np.uint32]
    touches: NDArray[np.uint32]
    counted: NDArray[np.uint32]
    ops: NDArray[np.uint32]
    types: int
    nothing: int
    tracked: int
