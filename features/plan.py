"""What a catalogue compiles to: flat arrays that the kernel reads instead of definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import Vocabulary
from features.definitions import Definition

EVER = 2**62
LONGEST = 36_500
"""Days in the longest window."""
SUM, MEAN, MAX, RECENCY, AGE, DECAYED, TREND, CADENCE, IGNORED, DISTINCT = range(10)


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


@dataclass(frozen=True)
class Plan:
    """A compiled catalogue: definitions in column order, and the instructions for the numbers among them."""

    definitions: tuple[Definition, ...]
    vocabulary: Vocabulary
    instructions: Instructions

    @cached_property
    def n_numbers(self) -> int:
        """How many columns are computed, and not looked up."""
        return len(self.instructions.counted) + len(self.instructions.ops)

    @cached_property
    def n_rows(self) -> int:
        """How many events and profile versions a moment names: a first and a last of each touch, and one version."""
        return 2 * len(self.instructions.touches) + 1

    def codes(self, types: Sequence[str]) -> NDArray[np.int32]:
        """int32[len(types)]: the code of each of a log's event types in this plan's vocabulary."""
        names = tuple(types)
        found = self._codes.get(names)
        if found is None:
            known = {name: code for code, name in enumerate(self.vocabulary.types)}
            found = np.fromiter(map(known.get, names, repeat(len(known))), np.int32, len(names))
            self._codes.clear()
            self._codes[names] = found
        return found

    @cached_property
    def _codes(self) -> dict[tuple[str, ...], NDArray[np.int32]]:
        """The answer before: leads of one source name the same types."""
        return {}
