"""The rules of what is visible at a moment, and what of it still held, compiled; the contract needs no compiler.

Times are int64 µs UTC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit


@njit()
def is_visible(known_at: int, as_of: int) -> bool:
    """Whether an event is visible at a moment: it occurred and was received strictly before it.

    `known_at` is max(occurred_at, received_at). Both are int64 µs UTC.

    >>> bool(is_visible(999, 1000)), bool(is_visible(1000, 1000))
    (True, False)
    """
    return known_at < as_of


@njit()
def is_valid(known_at: int, superseded_at: int, as_of: int) -> bool:
    """Whether an event counts at a moment: it is visible, and that it is wrong is not; also for arrays, one by one.

    `superseded_at` is when it became known to be wrong, FAR for never. All are int64 µs UTC.

    >>> [bool(is_valid(10, 20, as_of)) for as_of in (10, 11, 20, 21)]
    [False, True, True, False]
    """
    return np.logical_and(  # type: ignore[no-any-return]
        is_visible(known_at, as_of), np.logical_not(is_visible(superseded_at, as_of))
    )


@njit()
def visible_version(valid_from: NDArray[np.int64], start: int, stop: int, as_of: int) -> int:
    """Row of the profile version visible at a moment, or -1.

    `valid_from[start:stop]` are one lead's versions in order of time (int64 µs UTC). A version is
    visible when `valid_from < as_of`; a lead's first version also at its own moment of creation.

    >>> versions = np.array([10, 20], dtype=np.int64)
    >>> [int(visible_version(versions, 0, 2, as_of)) for as_of in (9, 10, 20, 21)]
    [-1, 0, 0, 1]
    """
    if stop == start or valid_from[start] > as_of:
        return -1
    low, high = start, stop - 1
    while low < high:
        middle = (low + high + 1) // 2
        if is_visible(valid_from[middle], as_of):
            low = middle
        else:
            high = middle - 1
    return low
