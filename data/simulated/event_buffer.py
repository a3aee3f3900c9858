"""The growing log into which the compiled walk of the simulated leads writes its events."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.simulated.funnel import Ints

DAY_MOST = 16
"""More than a day holds of mails, answers, calls, offers and ends."""


class Log(NamedTuple):
    """Events written so far: row int64[capacity, 3] holds lead, µs after START, code; size: int64[1]."""

    row: Ints
    size: Ints


@njit()
def with_room(log: Log, more: int) -> Log:
    """A log with room for `more` events and those of one day besides."""
    if log.size[0] + more + DAY_MOST <= len(log.row):
        return log
    row = np.empty((2 * len(log.row) + more, 3), dtype=np.int64)
    for index in range(log.size[0]):
        for column in range(3):
            row[index, column] = log.row[index, column]
    return Log(row, log.size)


@njit()
def write(log: Log, today: NDArray[np.bool_], lead: int, at: int, code: int) -> None:
    """Add one event and mark its type as seen today."""
    size = log.size[0]
    log.row[size, 0], log.row[size, 1], log.row[size, 2] = lead, at, code
    log.size[0] = size + 1
    today[code] = True
