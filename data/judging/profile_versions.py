"""What becomes of a row that tells of a profile: version, copy or conflict; the rules stand in event_versions.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.judging.verdicts import ACCEPTED, CONFLICT, CREATION, DUPLICATE, STATE, VERSION, Verdicts
from data.log.version_index import KNOWN, WIDTH, Hits, Records


def judge_profiles(
    rows: Records, sort: NDArray[np.int8], hits: Hits, groups: NDArray[np.int64], as_of: int
) -> Verdicts:
    """Judges rows: uint64[5, n] by lead and then in the order in which they came; the rest as for `judge_rows`."""
    n = rows.shape[1]
    outcome, corrects = np.zeros(n, np.int8), np.zeros(n, np.bool_)
    known = rows[KNOWN].view(np.int64).copy()
    begins = np.searchsorted(hits.question, np.arange(len(groups)))
    busy = np.flatnonzero((np.diff(groups) > 1) | (np.diff(begins) > 0))
    _judge(rows, sort, np.ascontiguousarray(hits.record), begins, groups, busy, as_of, outcome, known, corrects)
    new = rows[:, outcome == ACCEPTED]
    new[KNOWN] = known[outcome == ACCEPTED].view(np.uint64)
    is_plain = (outcome == ACCEPTED) & (known == rows[KNOWN].view(np.int64))
    return Verdicts(
        outcome, known, corrects, is_plain, np.empty((4, 0), np.uint64), new, np.empty((WIDTH, 0), np.uint64)
    )


@njit()
def _judge(rows, sort, hits, begins, groups, busy, as_of, outcome, known, corrects):  # type: ignore[no-untyped-def]
    """Only leads that stand more than once, or are known, need a look."""
    for group in busy:
        first, last, hit = groups[group], groups[group + 1], begins[group]
        n = begins[group + 1] - hit
        most = n + last - first
        content, at, row = np.empty(most, np.uint64), np.empty(most, np.int64), np.full(most, -1, np.int64)
        for i in range(n):
            content[i], at[i] = hits[2, hit + i], np.int64(hits[4, hit + i])
        for i in range(first, last):
            told = sort[i], rows[2, i], known[i]
            outcome[i], known[i] = _profile(*told, as_of, content[:n], at[:n], row[:n])
            if outcome[i] == ACCEPTED:
                content[n], at[n], row[n] = rows[2, i], known[i], i
                corrects[i] = n > 0 and sort[i] == VERSION and known[i] != np.int64(rows[4, i])
                n += 1


@njit()
def _profile(sort, content, known, as_of, contents, at, rows):  # type: ignore[no-untyped-def]
    n = len(at)
    if sort == CREATION:
        return (DUPLICATE if n else ACCEPTED), known
    newest = -1
    for i in range(n):
        if at[i] == known:
            if contents[i] == content:
                return DUPLICATE, known
            if rows[i] >= 0 or sort == STATE:
                return CONFLICT, known
        if (newest < 0 or at[i] > at[newest]) and (sort == VERSION or at[i] < known):
            newest = i
    if sort == STATE:
        return (DUPLICATE if newest >= 0 and contents[newest] == content else ACCEPTED), known
    if not (at == known).any():
        return ACCEPTED, known
    if contents[newest] == content:
        return DUPLICATE, known
    return (CONFLICT if (at == as_of).any() else ACCEPTED), as_of
