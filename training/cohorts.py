"""Cohorts: scores that were given in the same week, and what became of those whose window has closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.store_cohorts import MONDAY, WEEK, GivenScores
from features.moments import Target
from training.logits import Array
from training.origins import day_of


@dataclass(frozen=True)
class Matured:
    """Given scores of known outcome; `y` float64[n], 0/1. Mature as in training: window and settling are over."""

    given: GivenScores
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.bool_]) -> Matured:
        """The rows where the mask is true."""
        return Matured(some(self.given, rows), self.y[rows])

    def weeks(self) -> Iterator[tuple[str, Matured]]:
        """Monday's date -> the cohort of that week."""
        for week in np.unique(self.given.week):
            yield day_of(int(week) * WEEK + MONDAY), self.of(self.given.week == week)


def some(given: GivenScores, rows: NDArray[np.bool_]) -> GivenScores:
    """The rows where the mask is true."""
    return replace(given, **{name: getattr(given, name)[rows] for name in GivenScores.__dataclass_fields__})


def matured(given: GivenScores, lead: NDArray[np.str_], at: NDArray[np.int64], target: Target, now: int) -> Matured:
    """Scores whose label window, and the days in which outcomes are still recorded, had ended by `now` (µs UTC).

    lead, at: the target's events, sorted by lead and time. y is 1 if one is in [as_of + gap, as_of + gap + horizon).
    """
    opens = given.as_of + target.gap_days * US_PER_DAY
    closes = opens + target.horizon_days * US_PER_DAY
    y = np.array([_any(lead, at, *each) for each in zip(given.lead, opens, closes, strict=True)], dtype=np.float64)
    return Matured(given, y).of(closes + target.settle_days * US_PER_DAY <= now)


def _any(lead: NDArray[np.str_], at: NDArray[np.int64], who: str, opens: int, closes: int) -> bool:
    begin, end = np.searchsorted(lead, who, side="left"), np.searchsorted(lead, who, side="right")
    first = begin + np.searchsorted(at[begin:end], opens)
    return bool(first < end and at[first] < closes)
