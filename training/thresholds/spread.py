"""How many leads a further week brings, as past weeks did: their mean, their spread, and the trend they follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.samples.log_odds import Array

LEAST = 0.5
"""Leads a week, for the level of weeks in which hardly any come."""


@dataclass(frozen=True)
class Spread:
    """A number of leads a week: its mean, and between which whole ones it lies in eight weeks of ten, or more."""

    low: float
    mean: float
    high: float

    def around(self, mean: float) -> Spread:
        """The same spread in proportion to another mean."""
        times = mean / self.mean if self.mean else 1.0
        return Spread(float(round(self.low * times)), mean, float(round(self.high * times)))


def week_to_come(weekly: NDArray[np.int64]) -> Spread:
    """What n past weeks, the oldest first, say of a further one, all brought to the level of the week to come.

    Of n weeks in any order, a further one lies outside of them with a chance of 2 / (n + 1): one in five for nine
    weeks, one in thirteen for half a year. What that is better than eight in ten is for a level that goes on to move.

    >>> week_to_come(np.array([1, 2, 1, 3, 2, 1, 2, 1, 2]))
    Spread(low=1.0, mean=1.6666666666666667, high=3.0)
    >>> week_to_come(np.arange(10, 20))
    Spread(low=20.0, mean=20.0, high=20.0)
    """
    brought = levelled(weekly)
    return Spread(float(brought.min().round()), float(brought.mean()), float(brought.max().round()))


def highs(weekly: NDArray[np.int64]) -> Array:
    """float64[m]: the `high` of `week_to_come` of each column of int64[weeks, m]."""
    highest: Array = levelled(weekly).max(axis=0).round()
    return highest


def levelled(weekly: NDArray[np.int64]) -> Array:
    """float64[weeks, ...]: what past weeks would have brought at the level of the week to come.

    How far a week lay from its own level grows with the square root of the level, as the spread of counts does, and by
    as much as a line through so many weeks is uncertain at its end, as for a forecast by regression.
    """
    weeks, slope = len(weekly), trend(weekly)
    rise = slope * np.arange(weeks + 1).reshape(-1, *([1] * (weekly.ndim - 1)))
    levels = np.maximum(np.median(weekly - rise[:-1], axis=0) + rise, LEAST)
    apart = np.sqrt(levels[-1] / levels[:-1] * (weeks + 4) / max(weeks - 2, 1))
    brought = np.maximum(levels[-1] + (weekly - levels[:-1]) * apart, 0.0)
    return np.where(slope == 0, weekly, brought)


def trend(weekly: NDArray[np.int64]) -> Array:
    """float64[...]: by how many leads a week the weeks of int64[weeks, ...] rise from one to the next.

    The median slope of all pairs of weeks, of Theil and Sen, which a few odd weeks do not move.

    >>> trend(np.array([1, 2, 3, 4, 5, 6, 7, 80, 9])), trend(np.array([1, 2, 1, 2, 1, 2]))
    (array(1.), array(0.))
    """
    older, newer = np.triu_indices(len(weekly), 1)
    steps = (weekly[newer] - weekly[older]) / (newer - older).reshape(-1, *([1] * (weekly.ndim - 1)))
    return np.asarray(np.median(steps, axis=0) if len(steps) else np.zeros(weekly.shape[1:]))
