"""What becomes of a row that comes in: a new event, a copy, a later version of one that is known, or a conflict.

Rows with the same source and id are versions of one event. A version is known from when the row says that it was
received, at the earliest when it happened; where it does not say so, the first one from when it happened, another one
from the time of the export. It holds until the next one is known. A retraction is a version without content. A row that
says what some version says already adds nothing, unless it is dated later than the newest and says otherwise. Of rows
of one export that contradict each other without dates of their own, or name two leads, the first stays, the others are
conflicts. What becomes of an alias's row becomes of its lead's copy, from the merge on and just after the row.

Profile versions are told apart by lead and time. A row that says something else about a time that is known already is
a version from the time of its export on. A row that is the state as exported is a version from then on, if it differs
from the newest before it.

Called by judging.py, which also words the refusals. Events that services send are refused instead, in the store.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR
from data.log.version_index import CONTENT, HIGH, KNOWN, LOW, WIDTH, Hits, Records

RETRACTED = 0
"""The content of a version that takes an event back."""
EVENT, DATED_EVENT, MERGED_EVENT, VERSION, STATE, CREATION = range(6)
"""Sorts of rows: events without and with a time of receipt, those of an alias that are its lead's too from a time on,
dated profile versions, states as exported, and what was known of a lead when it was created."""
ACCEPTED, DUPLICATE, CONFLICT, NOTHING_RETRACTED = range(4)


class Verdicts(NamedTuple):
    """What became of n rows. known, superseded: µs UTC. corrects: whether it says something else about what was known.

    patches: uint64[5, p], records of the log with, in the place of LOW, when they are superseded, and in that of HIGH,
    when they were before (FAR for never): rows that say the same at the same time differ in nothing else.
    """

    outcome: NDArray[np.int8]
    known: NDArray[np.int64]
    superseded: NDArray[np.int64]
    corrects: NDArray[np.bool_]
    patches: Records


def judge_rows(
    rows: Records, sort: NDArray[np.int8], hits: Hits, groups: NDArray[np.int64], as_of: int, dated: bool
) -> Verdicts:
    """Judges rows: uint64[5, n] by key and then in the order in which they came.

    groups: int64[g + 1], where the rows of each key begin; hits answer the first row of each. as_of: the time of the
    export, µs UTC. dated: whether that was stated rather than taken from the clock.
    """
    n = rows.shape[1]
    outcome, corrects = np.zeros(n, np.int8), np.zeros(n, np.bool_)
    known, superseded = rows[KNOWN].view(np.int64).copy(), np.full(n, FAR, np.int64)
    begins = np.searchsorted(hits.question, np.arange(len(groups)))
    patches = np.empty((WIDTH, n + hits.record.shape[1]), np.uint64)
    single = (np.diff(groups) == 1) & (np.diff(begins) == 0) & (rows[CONTENT, groups[:-1]] != RETRACTED)
    busy = np.flatnonzero(~single)
    count = _judge(rows, sort, np.ascontiguousarray(hits.record), begins, groups, busy, as_of, dated,
                   outcome, known, superseded, corrects, patches)  # fmt: skip
    return Verdicts(outcome, known, superseded, corrects, patches[:, :count].copy())


def groups_of(rows: Records) -> NDArray[np.int64]:
    """Where the rows of each key begin, and their number at the end."""
    if not rows.shape[1]:
        return np.zeros(1, np.int64)
    fresh = (np.diff(rows[HIGH]) != 0) | (np.diff(rows[LOW]) != 0)
    return np.concatenate([[0], np.flatnonzero(fresh) + 1, [rows.shape[1]]]).astype(np.int64)


@njit()
def _judge(rows, sort, hits, begins, groups, busy, as_of, dated, outcome, known, superseded, corrects, patches):  # type: ignore[no-untyped-def]
    """Only keys that stand more than once, or are known, need a look."""
    n_patches = 0
    for group in busy:
        first, last, hit = groups[group], groups[group + 1], begins[group]
        most = begins[group + 1] - hit + last - first
        # Versions of this key: content, lead, known, and the row that it is (-1: one of the log).
        content, lead = np.empty(most, np.uint64), np.empty(most, np.uint64)
        at, row = np.empty(most, np.int64), np.full(most, -1, np.int64)
        merged = np.zeros(most, np.bool_)
        n, own = begins[group + 1] - hit, -1
        for i in range(n):
            content[i], lead[i], at[i] = hits[2, hit + i], hits[3, hit + i], np.int64(hits[4, hit + i])
        for i in range(first, last):
            versions = content[:n], lead[:n], at[:n], row[:n]
            own = own if sort[i] == MERGED_EVENT else i
            if sort[i] == MERGED_EVENT and own >= 0:
                outcome[i], known[i] = outcome[own], _free(at[:n], max(known[i], known[own] + 1))
            elif sort[i] <= MERGED_EVENT:
                told = (rows[2, i], rows[3, i], known[i], sort[i])
                outcome[i], known[i] = _event(*told, as_of, dated, *versions, merged[:n])
            else:
                outcome[i], known[i] = _profile(sort[i], rows[2, i], known[i], as_of, *versions)
            if outcome[i] == ACCEPTED:
                content[n], lead[n], at[n], row[n] = rows[2, i], rows[3, i], known[i], i
                merged[n] = sort[i] == MERGED_EVENT
                corrects[i] = n > 0 and (
                    sort[i] <= MERGED_EVENT or (sort[i] == VERSION and known[i] != np.int64(rows[4, i]))
                )
                n += 1
        for k in range(n):
            if row[k] >= 0:
                known[row[k]] = at[k]
        if sort[first] <= MERGED_EVENT and n > 1:
            order = np.argsort(at[:n])
            for k in range(n - 1):
                this, following = order[k], order[k + 1]
                if row[this] >= 0:
                    superseded[row[this]] = at[following]
                elif row[following] >= 0 and content[this] != RETRACTED:
                    until_now = FAR
                    for j in range(n):
                        if row[j] < 0 and at[this] < at[j] < until_now:
                            until_now = at[j]
                    patches[0, n_patches], patches[1, n_patches] = np.uint64(until_now), np.uint64(at[following])
                    patches[2, n_patches], patches[3, n_patches] = content[this], lead[this]
                    patches[4, n_patches] = np.uint64(at[this])
                    n_patches += 1
    return n_patches


@njit()
def _event(content, lead, known, sort, as_of, dated, contents, leads, at, rows, merged):  # type: ignore[no-untyped-def]
    """Outcome, and from when on the row is known. merged: versions that are there because of a merge: no row's own."""
    n, has_date = len(at), sort != EVENT
    if n == 0:
        return (NOTHING_RETRACTED if content == RETRACTED else ACCEPTED), known
    newest = np.argmax(at)
    time = known if has_date and not (at == known).any() else max(as_of, known)
    if sort == MERGED_EVENT:
        time = _free(at, known)
    for i in range(n):
        if contents[i] == content and (leads[i] == lead or content == RETRACTED):
            of_before = rows[newest] < 0 or merged[newest]
            returns = time > at[newest] and contents[newest] != content and (has_date or (dated and of_before))
            if not returns:
                if rows[i] >= 0 and known < at[i] and n == 1:
                    at[i] = known
                return DUPLICATE, known
            return ACCEPTED, time
    for i in range(n):
        ours = rows[i] >= 0 and not merged[i]
        if ours and sort != MERGED_EVENT and (not has_date or leads[i] != lead or (at == known).any()):
            return CONFLICT, known
    return (CONFLICT if (at == time).any() else ACCEPTED), time


@njit()
def _free(at, time):  # type: ignore[no-untyped-def]
    """The first time from `time` on at which no version begins."""
    while (at == time).any():
        time += 1
    return time


@njit()
def _profile(sort, content, known, as_of, contents, leads, at, rows):  # type: ignore[no-untyped-def]
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
