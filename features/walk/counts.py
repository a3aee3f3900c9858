"""Counts of events in windows: entering, moving on, leaving."""

from __future__ import annotations

import numpy as np

from data.contract import US_PER_SECOND
from features.walk.state import HIGH, LAST, LOW, LOW_BITS, LOW_MASK, step

SESSION_GAP = 30 * 60 * US_PER_SECOND


@step
def count(plan, state, band, k, code):
    """Counts the event at place `k`, which has become visible."""
    fresh, rows = state.fresh, plan.rows
    state.present[k] = code
    for j in range(rows.shape[1]):
        fresh[band, rows[code, j]] += 1


@step
def open_session(plan, state, band, k, code):
    """Counts the event at place `k` where it opens a session."""
    member, track, time = plan.member, state.track, state.time
    marked = state.fresh[:, member.shape[1] :]
    for s in range(len(plan.sessions)):
        if member[code, plan.sessions[s, 0]] and time[k] - time[track[LAST, plan.sessions[s, 1]]] > SESSION_GAP:
            state.marks[s, k] = 1
            marked[band, s] += 1


@step
def mark_day(plan, state, now, band, k, code):
    """Counts the event at place `k` as its day's, instead of an earlier one, which leaves the windows sooner."""
    windows, marks, day_event, time = plan.windows, state.marks, state.day_event, state.time
    marked = state.fresh[:, plan.member.shape[1] :]
    for d in range(len(plan.days)):
        rival, mark = day_event[d, state.day[k]], np.uint32(len(plan.sessions) + d)
        if plan.member[code, plan.days[d]] and rival < k:
            day_event[d, state.day[k]] = k
            marks[mark, k] = 1
            if rival:
                marks[mark, rival] = 0
                before = band
                while windows[before] < now - time[rival]:
                    before += np.uint32(1)
                if before > band:
                    marked[before, mark] -= 1
                    marked[band, mark] += 1
            else:
                marked[band, mark] += 1


@step
def band_of(windows, age):
    """The band of an event: the shortest window that reaches back to it."""
    band = 0
    for w in range(len(windows)):
        band += windows[w] < age
    return np.uint32(band)


@step
def settle(counts, fresh):
    """Counts what is fresh in all windows that reach back to it."""
    for w in range(len(counts)):
        for row in range(counts.shape[1]):
            counts[w, row] += fresh[w, row]
        if w + 1 < len(counts):
            for row in range(counts.shape[1]):
                fresh[w + 1, row] += fresh[w, row]
    fresh[:] = 0


@step
def skip(plan, state, now, n):
    """While nothing has been counted, nothing moves: only where each window begins is looked up, by halving."""
    windows, expired, time = plan.windows, state.expired, state.time
    for w in range(len(windows) - 1):
        low, high = np.int64(expired[w]), n + 1
        while low < high:
            middle = (low + high) // 2
            if time[middle] < now - windows[w]:
                low = middle + 1
            else:
                high = middle
        expired[w] = low


@step
def expire(plan, state, now):
    """Takes events out of the windows that they have left by `now`; what is not visible yet counts for nothing."""
    windows, rows, values = plan.windows, plan.rows, len(plan.values)
    counts, totals, marks, time = state.counts, state.totals, state.marks, state.time
    marked = counts[:, plan.member.shape[1] :]
    present, whole, expired = state.present, state.whole, state.expired
    width, n_marks = rows.shape[1], marks.shape[0]
    for w in range(len(windows) - 1):
        edge, k = now - windows[w], expired[w]
        while time[k] < edge:
            c = present[k]
            for j in range(width):
                counts[w, rows[c, j]] -= 1
            for j in range(n_marks):
                marked[w, j] -= marks[j, k]
            for v in range(values):
                if marks[n_marks - values + v, k]:
                    totals[v, w, HIGH] -= whole[k] >> LOW_BITS
                    totals[v, w, LOW] -= whole[k] & LOW_MASK
            k += np.uint32(1)
        expired[w] = k
