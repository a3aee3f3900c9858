"""Events of several leads, as a deal with three contacts: each version is what one export says, for all its leads.

An export that names an event names all of its leads, a row for each. Its rows that say themselves when they were
received make several versions, in which leads come to those that are there; the others are one, known from the newest
of their times. A lead that a later version does not have leaves the event then. Where all rows take the event back it
is gone for all; rows for some of the leads take these out.

Versions are compared as wholes: what some version said already adds nothing, by the same rule as for one lead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.judging.verdicts import ACCEPTED, CONFLICT, DATED_EVENT, DUPLICATE, MOVES, NOTHING_RETRACTED, RETRACTED

Versions = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]
"""What was said of one event: contents, leads, times (µs UTC), rows (-1: of the log); those of a time are a version."""


@njit()
def judge_shared(rows, sort, first, last, as_of, dated, told, n, outcome, known, corrects):  # type: ignore[no-untyped-def]
    """Judges the rows of one event, from `first` to before `last`; returns how many of `told` there are then.

    rows, sort, as_of, dated, outcome, known, corrects: as in event_versions.py. told has room; the log's n come first.
    """
    _date(sort, first, last, as_of, n > 0, known)
    for i in range(first, last):
        outcome[i] = _beside_others(rows, sort, first, i, outcome, known)
    stands = first + np.flatnonzero(outcome[first:last] == ACCEPTED)
    for time in np.unique(known[stands]):
        of_time = stands[known[stands] == time]
        version = _version(rows, sort, stands, known, time)
        if not len(version):
            continue
        has_date = (sort[of_time] == DATED_EVENT).any()
        verdict, at = _compared(rows, version, time, has_date, as_of, dated, told, n)
        for i in of_time:
            outcome[i], corrects[i] = verdict, n > 0 and verdict == ACCEPTED
        if verdict == ACCEPTED:
            for i in version:
                told[0][n], told[1][n], told[2][n], told[3][n] = rows[2, i], rows[3, i], at, i
                n += 1
    return n


@njit()
def _date(sort, first, last, as_of, is_known, known):  # type: ignore[no-untyped-def]
    """Undated rows are one version, known when all of it is: of an event that is known, from the export on."""
    newest = as_of if is_known else -(2**62)
    for i in range(first, last):
        if sort[i] != DATED_EVENT and sort[i] != MOVES:
            newest = max(newest, known[i])
    for i in range(first, last):
        if sort[i] != DATED_EVENT and sort[i] != MOVES:
            known[i] = newest


@njit()
def _beside_others(rows, sort, first, i, outcome, known):  # type: ignore[no-untyped-def]
    """What a row is beside those of the same lead in the same export; of equal ones the earlier date counts."""
    if sort[i] == MOVES:
        return DUPLICATE
    newest, same = -1, -1
    for k in range(first, i):
        if outcome[k] == ACCEPTED and rows[3, k] == rows[3, i]:
            newest = k if newest < 0 or known[k] >= known[newest] else newest
            same = k if rows[2, k] == rows[2, i] else same
    if newest < 0:
        return ACCEPTED
    has_date = sort[i] == DATED_EVENT
    if same >= 0 and not (has_date and known[i] > known[newest] and rows[2, newest] != rows[2, i]):
        known[same] = min(known[same], known[i])
        return DUPLICATE
    for k in range(first, i):
        taken = outcome[k] == ACCEPTED and rows[3, k] == rows[3, i] and known[k] == known[i]
        if taken or not has_date:
            return CONFLICT
    return ACCEPTED


@njit()
def _version(rows, sort, stands, known, time):  # type: ignore[no-untyped-def]
    """Rows of the version that is known from `time` on: of each lead the newest; of several that take it back, one."""
    version, n, back = np.empty(len(stands), np.int64), 0, -1
    for i in stands:
        if known[i] > time:
            continue
        newest = True
        for k in stands:
            if rows[3, k] == rows[3, i] and known[i] < known[k] <= time:
                newest = False
        if newest and rows[2, i] == RETRACTED:
            back = i
        elif newest:
            version[n] = i
            n += 1
    if n == 0 and back >= 0:
        version[0], n = back, 1
    return version[:n]


@njit()
def _compared(rows, version, time, has_date, as_of, dated, told, n):  # type: ignore[no-untyped-def]
    """What becomes of a version beside those that are known, and from when on it is known."""
    if n == 0:
        return (NOTHING_RETRACTED if rows[2, version[0]] == RETRACTED else ACCEPTED), time
    at, row = told[2][:n], told[3][:n]
    newest = np.argmax(at)
    when = max(as_of, time) if (at == time).any() else time
    if _said(rows, version, told, n, at[newest]):
        return DUPLICATE, when
    for other in np.unique(at):
        if _said(rows, version, told, n, other):
            if when > at[newest] and (has_date or (dated and row[newest] < 0)):
                break
            return DUPLICATE, when
    return (CONFLICT if (at == when).any() else ACCEPTED), when


@njit()
def _said(rows, version, told, n, at):  # type: ignore[no-untyped-def]
    """Whether what was said at a time is this version."""
    matched, size = 0, 0
    for k in range(n):
        if told[2][k] != at:
            continue
        size += 1
        for i in version:
            same_lead = told[1][k] == rows[3, i] or rows[2, i] == RETRACTED
            matched += told[0][k] == rows[2, i] and same_lead
    return matched == size == len(version)
