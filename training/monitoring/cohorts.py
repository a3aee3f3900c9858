"""Cohorts: scores that were given in the same week, and what became of those whose window has closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.histories import FAR
from features.labels import Target, labels_of
from features.outcome_events import OutcomeEvents, meanings
from features.outcomes import observed
from training.backtesting.origins import day_of
from training.samples.log_odds import Array

WEEK = 7 * US_PER_DAY
MONDAY = 4 * US_PER_DAY
"""1970-01-05, a Monday: weeks begin on Mondays, 00:00 UTC."""


@dataclass(frozen=True)
class GivenScores:
    """The first score of each lead in each week, in order of time. All arrays have shape (n).

    lead: str. as_of: int64, µs UTC. week: int64, weeks since the first Monday of 1970. p: float64. stage, version: str.
    """

    lead: NDArray[np.str_]
    as_of: NDArray[np.int64]
    week: NDArray[np.int64]
    p: NDArray[np.float64]
    stage: NDArray[np.str_]
    version: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.p)


@dataclass(frozen=True)
class StoredTurns:
    """Events that decide whether leads have converted or are in the population, in any order.

    lead, event_type: str[n]. known_at, occurred_at: int64[n], µs UTC. superseded_at, deal: as in
    `data.histories.Histories`. merged_at: since when leads are others, µs UTC; their events are those that they had
    until then.
    """

    lead: NDArray[np.str_]
    event_type: NDArray[np.str_]
    known_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    superseded_at: NDArray[np.int64] | None = None
    deal: NDArray[np.uint64] | None = None
    merged_at: Mapping[str, int] = field(default_factory=dict)

    def of(self, leads: NDArray[np.str_], target: Target) -> OutcomeEvents:
        """What they mean to a target, for these leads; sorted, each once, and none may be missing."""
        rows = np.argsort(self.lead, kind="stable")
        types, kind = np.unique(self.event_type[rows], return_inverse=True)
        starts = np.append(np.searchsorted(self.lead[rows], leads), len(rows))
        superseded = np.full(len(rows), FAR) if self.superseded_at is None else self.superseded_at[rows]
        deal = np.zeros(len(rows), np.uint64) if self.deal is None else self.deal[rows]
        columns = (self.known_at[rows], self.occurred_at[rows], superseded, deal)
        return OutcomeEvents.in_order(starts, meanings(target, types.tolist())[kind], *columns)

    def merged_of(self, leads: NDArray[np.str_]) -> NDArray[np.int64] | None:
        """int64[n]: since when these leads are others, FAR for those that are none; None for nobody."""
        return np.array([self.merged_at.get(lead, FAR) for lead in leads.tolist()]) if self.merged_at else None


class ScoreHistory(Protocol):
    """Whoever keeps scores that were given, and what came of them: the server's store."""

    def scores(self, target: str, since: int) -> GivenScores:
        """Scores of a target with `as_of` from `since` (µs UTC) on."""

    def turns(self, target: Target, before: int) -> StoredTurns:
        """Events that mean something to a target and were known `before` (µs UTC), in any order."""

    def active(self, since: int, before: int) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Event type and lead, each pair once, of events known from `since` on, before `before` (µs UTC)."""

    def categories(self, lead_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """Profile column -> text -> how many of the leads have it now."""


@dataclass(frozen=True)
class MaturedScores:
    """Given scores of known outcome; `y` float64[n], 0/1."""

    given: GivenScores
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.bool_]) -> MaturedScores:
        """The rows where the mask is true."""
        return MaturedScores(some(self.given, rows), self.y[rows])

    def weeks(self) -> Iterator[tuple[str, MaturedScores]]:
        """Monday's date -> the cohort of that week."""
        for week in np.unique(self.given.week):
            yield day_of(int(week) * WEEK + MONDAY), self.of(self.given.week == week)


def some(given: GivenScores, rows: NDArray[np.bool_]) -> GivenScores:
    """The rows where the mask is true."""
    return replace(given, **{name: getattr(given, name)[rows] for name in GivenScores.__dataclass_fields__})


def matured(given: GivenScores, turns: StoredTurns, target: Target, now: int) -> MaturedScores:
    """Scores whose label is certain at `now` (µs UTC), under the rule that training goes by (features/labels.py)."""
    leads = np.unique(np.append(turns.lead, given.lead))
    happened = observed(turns.of(leads, target), now, now, turns.merged_of(leads))
    labels = labels_of(target, happened, np.searchsorted(leads, given.lead), given.as_of)
    return MaturedScores(given, (labels.label == 1).astype(np.float64)).of(labels.mature & labels.predictable)
