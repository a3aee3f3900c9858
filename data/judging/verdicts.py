"""Sorts of rows that are judged, what may become of them, and the verdicts about many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.log.version_index import HIGH, LOW, Records

RETRACTED = 0
"""The content of a version that takes an event back."""
EVENT, DATED_EVENT, MOVES, VERSION, STATE, CREATION = range(6)
"""Sorts of rows: events without and with a time of receipt, events of the log that may be another lead's from now on,
dated profile versions, states as exported, and what was known of a lead when it was created."""
ACCEPTED, DUPLICATE, CONFLICT, NOTHING_RETRACTED, NO_ROW = range(5)
"""What becomes of a row; NO_ROW is for those that no source has told."""


class Verdicts(NamedTuple):
    """What became of n rows. known: int64[n], µs UTC, from when on it is known what they say.

    corrects: whether it says something else about what was known. is_plain: whether it goes into the log as it stands.
    held: uint64[4, h], what goes into the log of the others: the place of a row, the hash of the lead that has it, from
    when on and until when (int64 µs UTC in the same bits, FAR for never).
    new: uint64[5, k], what is said from now on, for the index. patches: uint64[5, p], records of the log with, in the
    place of LOW, when they are superseded, and in that of HIGH, when they were before (FAR for never): rows that say
    the same at the same time differ in nothing else.
    """

    outcome: NDArray[np.int8]
    known: NDArray[np.int64]
    corrects: NDArray[np.bool_]
    is_plain: NDArray[np.bool_]
    held: NDArray[np.uint64]
    new: Records
    patches: Records


def groups_of(rows: Records) -> NDArray[np.int64]:
    """Where the rows of each key begin, and their number at the end."""
    if not rows.shape[1]:
        return np.zeros(1, np.int64)
    fresh = (np.diff(rows[HIGH]) != 0) | (np.diff(rows[LOW]) != 0)
    return np.concatenate([[0], np.flatnonzero(fresh) + 1, [rows.shape[1]]]).astype(np.int64)
