"""The events that mean something to a target, gathered out of histories: outcomes, what undoes them, what reopens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR, Histories
from data.visibility import is_visible
from features.labels import Target

TARGET, UNDOES, CLOSES, REOPENS = 1, 2, 4, 8
"""What an event means to a target, as bits: a type may mean more than one."""


OutcomeColumns = tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]
"""meaning, known_at, occurred_at, superseded_at, deal."""


@dataclass(frozen=True)
class OutcomeEvents:
    """Events that mean something to a target, of many leads; lead i has rows starts[i]:starts[i + 1].

    A lead's rows are in order of (occurred_at, whether it is no target event, known_at). meaning: int8, bits.
    known_at, occurred_at, superseded_at: int64, µs UTC, and deal: uint64, as in `data.histories.Histories`.
    """

    starts: NDArray[np.int64]
    meaning: NDArray[np.int8]
    known_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    superseded_at: NDArray[np.int64]
    deal: NDArray[np.uint64]

    @property
    def columns(self) -> OutcomeColumns:
        """What the compiled rules read."""
        return self.meaning, self.known_at, self.occurred_at, self.superseded_at, self.deal

    @staticmethod
    def in_order(starts: NDArray[np.int64], *columns: NDArray[np.generic]) -> OutcomeEvents:
        """OutcomeEvents of rows that are in order of leads; columns: as the fields, in their order."""
        meaning, known_at, occurred_at, *_ = columns
        lead = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        no_target = (meaning & TARGET) == 0  # type: ignore[operator]
        rows = np.lexsort((known_at, no_target, occurred_at, lead))
        return OutcomeEvents(starts, *(column[rows] for column in columns))  # type: ignore[arg-type]


def meanings(target: Target, types: Sequence[str]) -> NDArray[np.int8]:
    """What events of each type mean to a target: int8[len(types)], bits, 0 for nothing."""
    lists = {TARGET: target.events, UNDOES: target.undone_by, CLOSES: target.closed_by, REOPENS: target.reopened_by}
    return np.array([sum(bit for bit, names in lists.items() if name in names) for name in types], np.int8)


def outcome_events_of(histories: Histories, target: Target) -> OutcomeEvents:
    """The events of histories that mean something to a target."""
    meaning = meanings(target, histories.types)
    starts, rows = _places(histories.starts, histories.event_type, meaning != 0)
    superseded = np.full(len(rows), FAR) if histories.superseded_at is None else histories.superseded_at[rows]
    known_at, occurred_at = histories.known_at[rows], histories.occurred_at[rows]
    deal = np.zeros(len(rows), np.uint64) if histories.deal is None else histories.deal[rows]
    return OutcomeEvents.in_order(starts, meaning[histories.event_type[rows]], known_at, occurred_at, superseded, deal)


def times_of(
    histories: Histories, types: Sequence[str], times: NDArray[np.int64], until: int = FAR
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each lead's events of these types begin, and their `times`, sorted within the lead.

    Only events that are visible at `until` (µs UTC), whatever became known to be wrong.
    """
    wanted = np.array([name in types for name in histories.types], dtype=np.bool_)
    begins, gathered = _gather(histories.starts, histories.event_type, histories.known_at, times, wanted, until)
    return begins, gathered


@njit()
def _places(
    starts: NDArray[np.int64], event_type: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each lead's events of wanted types begin among these, and where they stand among all."""
    begins, rows, n = np.zeros(len(starts), np.int64), np.empty(len(event_type), np.int64), 0
    for lead in range(len(starts) - 1):
        for i in range(starts[lead], starts[lead + 1]):
            if wanted[event_type[i]]:
                rows[n] = i
                n += 1
        begins[lead + 1] = n
    return begins, rows[:n].copy()


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
