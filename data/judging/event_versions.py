"""What becomes of a row that comes in: a new event, a copy, a later version of one that is known, or a conflict.

Rows with the same source and id are versions of one event. A version is known from when the row says that it was
received, at the earliest when it happened; where it does not say so, the first one from when it happened, another one
from the time of the export. It holds until the next one is known. A retraction is a version without content. A row that
says what some version says already adds nothing, unless it is dated later than the newest and says otherwise. Of rows
of one export that contradict each other without dates of their own, or name two leads, the first stays, the others are
conflicts. Where events are shared a version may be of several leads, see shared.py.

Whose an event is then follows from all that was said of it and from the aliases that are known (holders.py). So it does
not depend on what came first: what the log has and what it should have are compared, and the difference is written.

Profile versions are told apart by lead and time (profile_versions.py). A row that says something else about a time that
is known already is a version from the time of its export on. A row that is the state as exported is a version from then
on, if it differs from the newest before it.

Called by staged_verdicts.py, which also words refusals. Events that services send are refused instead, in the store.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import DataError
from data.histories import FAR
from data.judging.holders import spans_of
from data.judging.shared import judge_shared
from data.judging.verdicts import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    EVENT,
    MOVES,
    NO_ROW,
    NOTHING_RETRACTED,
    RETRACTED,
    Verdicts,
)
from data.log.identities import Owners
from data.log.version_index import CONTENT, KNOWN, LEAD, Hits, Records


class Circumstances(NamedTuple):
    """What rows are judged by. as_of: the time of the export, µs UTC. dated: whether that was stated rather than taken
    from the clock. shared: whether an event may be several leads'. before, after: aliases without and with this export.
    """

    as_of: int
    dated: bool
    shared: bool
    before: Owners
    after: Owners


def judge_rows(
    rows: Records, sort: NDArray[np.int8], hits: Hits, groups: NDArray[np.int64], by: Circumstances
) -> Verdicts:
    """Judges rows of events: uint64[5, n] by key and then in the order in which they came.

    groups: int64[g + 1], where the rows of each key begin; hits answer the first row of each.
    """
    n = rows.shape[1]
    outcome, corrects, is_plain = np.zeros(n, np.int8), np.zeros(n, np.bool_), np.ones(n, np.bool_)
    known = rows[KNOWN].view(np.int64).copy()
    begins = np.searchsorted(hits.question, np.arange(len(groups)))
    single = (np.diff(groups) == 1) & (np.diff(begins) == 0) & (rows[CONTENT, groups[:-1]] != RETRACTED)
    if len(by.after.alias):
        single &= ~np.isin(rows[LEAD, groups[:-1]], by.after.alias)
    told = (rows, sort, np.ascontiguousarray(hits.record), begins, groups, np.flatnonzero(~single))
    held, new, patches, is_whole = _judge(*told, by, outcome, known, corrects, is_plain)
    if not is_whole:
        raise DataError("the index of the event log names versions that its rows do not have; ingest again")
    plain = rows[:, np.repeat(single, np.diff(groups))]
    return Verdicts(outcome, known, corrects, is_plain, held, np.concatenate([plain, new], axis=1), patches)


@njit()
def _judge(rows, sort, hits, begins, groups, busy, by, outcome, known, corrects, is_plain):  # type: ignore[no-untyped-def]
    """Only keys that stand more than once, are known or are of an alias need a look."""
    held, new, patches = np.empty((4, 16), np.uint64), np.empty((5, 16), np.uint64), np.empty((5, 16), np.uint64)
    size, is_whole = np.zeros(3, np.int64), True
    for group in busy:
        first, last, hit = groups[group], groups[group + 1], begins[group]
        n_log = begins[group + 1] - hit
        most = n_log + (last - first) * (len(np.unique(known[first:last])) if by.shared else 1)
        content, lead = np.empty(most, np.uint64), np.empty(most, np.uint64)
        at, row = np.empty(most, np.int64), np.full(most, -1, np.int64)
        for i in range(n_log):
            content[i], lead[i], at[i] = hits[2, hit + i], hits[3, hit + i], np.int64(hits[4, hit + i])
        judged = rows, sort, first, last, by.as_of, by.dated, (content, lead, at, row), n_log, outcome, known, corrects
        n = judge_shared(*judged) if by.shared else _one_lead(*judged)
        moves = _without_row(sort, first, last, outcome, is_plain)
        if n == n_log and not moves:
            continue
        for k in range(n_log, n):
            new = _with_room(new, size[1])
            new[0, size[1]], new[1, size[1]], new[2, size[1]] = rows[0, first], rows[1, first], content[k]
            new[3, size[1]], new[4, size[1]] = lead[k], np.uint64(at[k])
            size[1] += 1
        before = spans_of(content[:n_log], lead[:n_log], at[:n_log], by.before)
        after = spans_of(content[:n], lead[:n], at[:n], by.after)
        patches, is_new = _ended(before, after, content, row, patches, size)
        for j in np.flatnonzero(is_new):
            holder, since, until, version = after[0][j], after[1][j], after[2][j], after[3][j]
            place = row[version]
            if place < 0:
                place = _moved(rows, sort, first, last, content[version])
            if place < 0:
                is_whole = False
            elif sort[place] != MOVES and (holder, since, until) == (rows[3, place], np.int64(rows[4, place]), FAR):
                is_plain[place] = True
            else:
                held = _with_room(held, size[0])
                held[0, size[0]], held[1, size[0]] = np.uint64(place), holder
                held[2, size[0]], held[3, size[0]] = np.uint64(since), np.uint64(until)
                size[0] += 1
    return held[:, : size[0]].copy(), new[:, : size[1]].copy(), patches[:, : size[2]].copy(), is_whole


@njit()
def _without_row(sort, first, last, outcome, is_plain):  # type: ignore[no-untyped-def]
    """Marks what is no row of the export, and all as not plain; says whether there is some."""
    moves = False
    for i in range(first, last):
        is_plain[i] = False
        if sort[i] == MOVES:
            outcome[i], moves = NO_ROW, True
    return moves


@njit()
def _ended(before, after, content, row, patches, size):  # type: ignore[no-untyped-def]
    """Patches for what the log has and what ends at another time now, and which of `after` it does not have yet."""
    is_new = np.ones(len(after[0]), np.bool_)
    for k in range(len(before[0])):
        until = before[1][k]  # what is not there any more ends when it began
        for j in range(len(after[0])):
            same = content[before[3][k]] == content[after[3][j]] and row[after[3][j]] < 0
            if same and before[0][k] == after[0][j] and before[1][k] == after[1][j]:
                until, is_new[j] = after[2][j], False
        if until != before[2][k]:
            patches = _with_room(patches, size[2])
            n = size[2]
            patches[0, n], patches[1, n] = np.uint64(before[2][k]), np.uint64(until)
            patches[2, n], patches[3, n] = content[before[3][k]], before[0][k]
            patches[4, n] = np.uint64(before[1][k])
            size[2] += 1
    return patches, is_new


@njit()
def _with_room(table, n):  # type: ignore[no-untyped-def]
    """The table, or a longer one where there is no room behind its first n columns."""
    if n < table.shape[1]:
        return table
    longer = np.empty((table.shape[0], 2 * n), np.uint64)
    longer[:, :n] = table
    return longer


@njit()
def _moved(rows, sort, first, last, content):  # type: ignore[no-untyped-def]
    """A row of the log that says this."""
    for i in range(first, last):
        if sort[i] == MOVES and rows[2, i] == content:
            return i
    return -1


@njit()
def _one_lead(rows, sort, first, last, as_of, dated, told, n, outcome, known, corrects):  # type: ignore[no-untyped-def]
    """Judges the rows of one event that is one lead's; returns how many versions of it there are then."""
    content, lead, at, row = told
    for i in range(first, last):
        if sort[i] == MOVES:
            continue
        versions = content[:n], lead[:n], at[:n], row[:n]
        outcome[i], known[i] = _event(rows[2, i], rows[3, i], known[i], sort[i], as_of, dated, *versions)
        if outcome[i] == ACCEPTED:
            content[n], lead[n], at[n], row[n] = rows[2, i], rows[3, i], known[i], i
            corrects[i] = n > 0
            n += 1
    return n


@njit()
def _event(content, lead, known, sort, as_of, dated, contents, leads, at, rows):  # type: ignore[no-untyped-def]
    """Outcome, and from when on the row is known."""
    n, has_date = len(at), sort != EVENT
    if n == 0:
        return (NOTHING_RETRACTED if content == RETRACTED else ACCEPTED), known
    newest = np.argmax(at)
    is_newest = contents[newest] == content and (leads[newest] == lead or content == RETRACTED)
    time = known if has_date and not (at == known).any() else max(as_of, known)
    for i in range(n):
        if contents[i] == content and (leads[i] == lead or content == RETRACTED):
            if time > at[newest] and not is_newest and (has_date or (dated and rows[newest] < 0)):
                return ACCEPTED, time
            if rows[i] >= 0 and known < at[i] and n == 1:
                at[i] = known
            return DUPLICATE, known
    for i in range(n):
        if rows[i] >= 0 and (not has_date or leads[i] != lead or (at == known).any()):
            return CONFLICT, known
    return (CONFLICT if (at == time).any() else ACCEPTED), time
