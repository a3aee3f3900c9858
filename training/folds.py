"""Which rows are held out together: whole leads, never moments; and what lies before and after a cut in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY


def fold_of_leads(lead: NDArray[np.generic], time: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """int64[n], the bagging fold of each row: leads in order of their first moment are dealt out in turn.

    No lead is in two folds, each fold sees all of the period, and no chance is involved.

    >>> fold_of_leads(np.array(["a", "b", "a", "c"]), np.array([1, 2, 3, 4]), 2).tolist()
    [0, 1, 0, 0]
    """
    _, code = np.unique(lead, return_inverse=True)
    first = np.full(code.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, code, time)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return (rank % folds)[code]


def fold_of_rows(y: NDArray[np.generic], folds: int) -> NDArray[np.int64]:
    """int64[n], folds for a plain table: the rows of each class are dealt out in turn."""
    fold = np.empty(len(y), np.int64)
    for value in np.unique(y):
        rows = np.flatnonzero(y == value)
        fold[rows] = np.arange(len(rows)) % folds
    return fold


def newest_slice(as_of: NDArray[np.int64], weight: NDArray[np.float64], share: float) -> int:
    """The cut (µs UTC): the newest moments from it on hold about `share` of the weight. `as_of` is sorted."""
    reached = np.cumsum(weight) >= (1 - share) * weight.sum()
    return int(as_of[int(np.argmax(reached))])


def before_cut(
    as_of: NDArray[np.int64], lead: NDArray[np.generic], cut: int, window_days: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[n] twice: rows to learn from and rows to judge on.

    Judged are moments from the cut on. Learnt from are moments whose whole label window (gap + horizon,
    `window_days`) ended by the cut, of leads that are not judged.
    """
    judged = as_of >= cut
    known = as_of + window_days * US_PER_DAY <= cut
    return known & ~np.isin(lead, lead[judged]), judged
