"""Gives the events of a lead their places: 1 … n in order of occurred_at, then of the log."""

from __future__ import annotations

from data.contract import US_PER_DAY
from features.walk.state import NEVER, step


@step
def arrange(known_at, occurred_at, begin, n, place, time, order, day):
    """Gives the events their places.

    What was received at once is in order already; only what came late is sorted, and merged in.
    """
    n_late, j, k = 0, 0, 1
    for i in range(n):
        if occurred_at[begin + i] < known_at[begin + i]:
            place[n_late] = i
            n_late += 1
    _sort(occurred_at, begin, place, order, n_late)
    for i in range(n):
        at = occurred_at[begin + i]
        if at == known_at[begin + i]:
            while j < n_late and occurred_at[begin + place[j]] < at:
                order[k] = place[j]
                k, j = k + 1, j + 1
            order[k] = i
            k += 1
    for rest in range(j, n_late):
        order[k] = place[rest]
        k += 1
    rank, midnight = -1, NEVER
    for k in range(1, n + 1):
        i = order[k]
        at = occurred_at[begin + i]
        if at >= midnight:
            rank += 1
            midnight = (at // US_PER_DAY + 1) * US_PER_DAY
        place[i] = k
        time[k] = at
        day[k] = rank


@step
def _sort(occurred_at, begin, rows, room, n):
    """Sorts the first `n` of `rows` by occurred_at: runs are merged into runs twice as long, equal ones in order."""
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            a, b = low, middle
            for k in range(low, high):
                if b == high or (a < middle and occurred_at[begin + rows[a]] <= occurred_at[begin + rows[b]]):
                    room[k] = rows[a]
                    a += 1
                else:
                    room[k] = rows[b]
                    b += 1
        for k in range(n):
            rows[k] = room[k]
        width *= 2
