"""The compiled walk through histories: at each moment old events leave, fresh ones enter, columns are read off.

Each step is one flat function over plain arrays, because Numba counts references of every array that crosses a
call: done per event, that would cost more than the work itself. All steps stand in this one file, because Numba's
cache of compiled code notices a change only in the file of the function that it has cached.

The accumulators of a lead:

counts: int64[W, rows], events (and sessions, active days, values) per age band. Band w holds what the window w
    holds and the next shorter window does not: an event is in one band, whatever the number of windows.
totals: int64[W, rows, 2], sums of values per band in whole ten-thousandths, each split into high and low bits: exact
    for billions of the largest values, and so independent of order and of what has come and gone.
within: int64[W, rows], counts of whole windows (and distinct types) at a moment: all bands up to w.
touch: int32[G, 2], first and last event of a group by occurred_at, -1 for none.
decayed: float64[D], decayed counts as of the group's last event, so that they never overflow.
pressed: int64[P, 2], contacts since the last answer, and the first event by occurred_at that is later than it.
day_event: int32[rows, days], the latest visible event of a calendar day: it makes the day active.
opens: bool[rows, events], whether an event opens a session.
top: int64[rows, events + 1], Fenwick trees (Fenwick 1994) of maxima, from the last event by occurred_at back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.contract import US_PER_DAY, US_PER_SECOND, VALUE_SCALE, is_visible, visible_version
from features.plan import (
    AGE,
    CADENCE,
    COUNT,
    DAY_ROW,
    DECAY_FROM,
    DECAY_TO,
    DECAYED,
    EVER,
    IGNORED,
    MAX,
    MEAN,
    RECENCY,
    SESSION_ROW,
    SUM,
    TOP_ROW,
    TOTAL_ROW,
    TREND,
    VALUED_ROW,
)

NEVER = -EVER
NO_VALUE = -EVER
SESSION_GAP = 30 * 60 * US_PER_SECOND
FIRST, LAST = 0, 1
HIGH, LOW = 0, 1
LOW_BITS = 32
LOW_MASK = 2**LOW_BITS - 1


class State(NamedTuple):
    """Accumulators, and per event of the lead: whole, code, order, place and day (see `_arrange`)."""

    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    within: NDArray[np.int64]
    touch: NDArray[np.int32]
    decayed: NDArray[np.float64]
    pressed: NDArray[np.int64]
    day_event: NDArray[np.int32]
    opens: NDArray[np.bool_]
    top: NDArray[np.int64]
    whole: NDArray[np.int64]
    code: NDArray[np.int32]
    order: NDArray[np.int32]
    place: NDArray[np.int32]
    day: NDArray[np.int32]


@njit(cache=True, nogil=True)
def walk(plan, code_of, touch_group, events, profiles, moments, out):
    """Fills `out` lead by lead; returns -1, or the first moment that is out of order or of a lead that is not there.

    plan: Instructions. code_of: int32, vocabulary code of each of the log's event types.
    events: (starts, known_at, occurred_at, event_type, value, bot). profiles: (starts, valid_from).
    moments: (lead, as_of). out: (numbers float32[N, m], first int64[m, T], last int64[m, T], version int64[m]).
    """
    starts, profile_starts, valid_from = events[0], profiles[0], profiles[1]
    lead, as_of, version = moments[0], moments[1], out[3]
    longest = 0
    for r in range(len(as_of)):
        if not 0 <= lead[r] < len(starts) - 1 or (r > 0 and (lead[r], as_of[r]) < (lead[r - 1], as_of[r - 1])):
            return r
        longest = max(longest, starts[lead[r] + 1] - starts[lead[r]])
    state = _new_state(plan, longest)
    row = 0
    while row < len(as_of):
        of, stop = lead[row], row + 1
        while stop < len(as_of) and lead[stop] == of:
            stop += 1
        oldest, newest = profile_starts[of], profile_starts[of + 1]
        for r in range(row, stop):
            version[r] = visible_version(valid_from, oldest, newest, as_of[r])
        created = valid_from[oldest] if newest > oldest else EVER
        _walk_lead(
            plan, state, code_of, touch_group, events, starts[of], starts[of + 1], as_of, row, stop, created, out
        )
        row = stop
    return -1


@njit(cache=True, nogil=True)
def _walk_lead(plan, state, code_of, touch_group, events, begin, end, as_of, start, stop, created, out):
    """One lead: its events are `begin:end`, its moments `start:stop`; `created` is its first profile version's time."""
    known_at, occurred_at, kind = events[1][begin:end], events[2][begin:end], events[3][begin:end]
    value, bot, n = events[4][begin:end], events[5][begin:end], end - begin
    counts, totals, within, touch, decayed, pressed, day_event, opens, top, whole, code, order, place, day = state
    windows, group_start, group_ids, groups, decay_rate = (
        plan.windows,
        plan.group_start,
        plan.group_ids,
        plan.groups,
        plan.decay_rate,
    )
    _clear(state, n)
    _arrange(known_at, occurred_at, order, place, day)
    for i in range(n):
        code[i] = code_of[kind[i]]
        whole[i] = NO_VALUE if np.isnan(value[i]) else np.int64(np.rint(value[i] * VALUE_SCALE))
    expired = np.zeros(len(windows), np.int64)
    seen, first_seen, before = 0, EVER, NEVER
    for r in range(start, stop):
        now, fresh = as_of[r], seen
        if seen == 0:
            _skip(now, windows, expired, occurred_at, order)
        _expire(
            before, now, windows, expired, plan.first_day_row, known_at, occurred_at, whole, bot, code, order, day,
            group_start, group_ids, groups, counts, totals, day_event, opens,
        )  # fmt: skip
        seen = _admit(
            fresh, now, windows, plan.first_day_row, known_at, occurred_at, whole, bot, code, place, day,
            group_start, group_ids, groups, decay_rate, counts, totals, touch, decayed, day_event, opens, top,
        )  # fmt: skip
        _press(fresh, seen, plan.pressures, plan.member, code, bot, occurred_at, order, place, touch, pressed)
        for i in range(fresh, seen):
            first_seen = min(first_seen, occurred_at[i])
        if created <= now:
            first_seen = min(first_seen, created)
        _sum_bands(counts, plan.types, within)
        _read(
            plan.ops, now, first_seen, expired, decay_rate, occurred_at,
            within, totals, touch, decayed, pressed, top, out[0][:, r],
        )  # fmt: skip
        for k in range(len(touch_group)):
            first, last = touch[touch_group[k], FIRST], touch[touch_group[k], LAST]
            out[1][r, k] = begin + first if first >= 0 else -1
            out[2][r, k] = begin + last if last >= 0 else -1
        before = now


@njit(cache=True, nogil=True)
def _new_state(plan, events):
    """Accumulators with room for a lead of up to `events` events."""
    rows, totals, tall, tops = plan.sizes
    windows = len(plan.windows)
    return State(
        np.empty((windows, rows), np.int64),
        np.empty((windows, totals, 2), np.int64),
        np.empty((windows, rows), np.int64),
        np.empty((len(plan.groups), 2), np.int32),
        np.empty(len(plan.decay_rate), np.float64),
        np.empty((len(plan.pressures), 2), np.int64),
        np.empty((tall, events), np.int32),
        np.empty((tall, events), np.bool_),
        np.empty((tops, events + 1), np.int64),
        np.empty(events, np.int64),
        np.empty(events, np.int32),
        np.empty(events, np.int32),
        np.empty(events, np.int32),
        np.empty(events, np.int32),
    )


@njit(cache=True, nogil=True)
def _clear(state, events):
    """Forgets the lead before; the next one has `events` events."""
    state.counts[:] = 0
    state.totals[:] = 0
    state.touch[:] = -1
    state.decayed[:] = 0
    state.pressed[:] = 0
    state.day_event[:, :events] = -1
    state.top[:, : events + 1] = NO_VALUE
    state.opens[:, :events] = False


@njit(cache=True, nogil=True)
def _arrange(known_at, occurred_at, order, place, day):
    """Fills `order` (events by occurred_at), `place` (its inverse) and `day` (rank of the calendar day, UTC)."""
    _sort(known_at, occurred_at, order, place)
    rank, midnight = -1, NEVER
    for k in range(len(known_at)):
        i = order[k]
        if occurred_at[i] >= midnight:
            rank += 1
            midnight = (occurred_at[i] // US_PER_DAY + 1) * US_PER_DAY
        place[i] = k
        day[i] = rank


@njit(cache=True, nogil=True)
def _sort(known_at, occurred_at, order, late):
    """Fills `order` with events by occurred_at, then by the log's order; `late` is room to work in.

    What was received at once is in order already; only what came late is sorted, and merged in.
    """
    n_late, k, j = 0, 0, 0
    for i in range(len(known_at)):
        if occurred_at[i] < known_at[i]:
            late[n_late] = i
            n_late += 1
    if n_late > 1:
        late[:n_late] = late[:n_late][np.argsort(occurred_at[late[:n_late]], kind="mergesort")]
    for i in range(len(known_at)):
        if occurred_at[i] == known_at[i]:
            while j < n_late and occurred_at[late[j]] < occurred_at[i]:
                order[k] = late[j]
                k, j = k + 1, j + 1
            order[k] = i
            k += 1
    order[k : len(known_at)] = late[j:n_late]


@njit(cache=True, nogil=True)
def _expire(
    before, now, windows, expired, first_day_row, known_at, occurred_at, whole, bot, code, order, day,
    group_start, group_ids, groups, counts, totals, day_event, opens,
):  # fmt: skip
    """Moves events that were counted at the moment `before` to the bands in which they are `now`."""
    for w in range(len(windows) - 1):
        while expired[w] < len(known_at) and occurred_at[order[expired[w]]] < now - windows[w]:
            i = order[expired[w]]
            expired[w] += 1
            if bot[i] or not is_visible(known_at[i], before):
                continue
            for k in range(group_start[code[i]], group_start[code[i] + 1]):
                kept = groups[group_ids[k]]
                _move(counts, group_ids[k], w, 1)
                if kept[SESSION_ROW] >= 0:
                    _move(counts, kept[SESSION_ROW], w, opens[kept[SESSION_ROW] - len(groups), i])
                if kept[DAY_ROW] >= 0:
                    _move(counts, kept[DAY_ROW], w, day_event[kept[DAY_ROW] - first_day_row, day[i]] == i)
                if whole[i] != NO_VALUE and kept[TOTAL_ROW] >= 0:
                    _move(counts, kept[VALUED_ROW], w, 1)
                    _move(totals[:, :, HIGH], kept[TOTAL_ROW], w, whole[i] >> LOW_BITS)
                    _move(totals[:, :, LOW], kept[TOTAL_ROW], w, whole[i] & LOW_MASK)


@njit(cache=True, nogil=True)
def _skip(now, windows, expired, occurred_at, order):
    """While nothing has been counted, nothing moves: only where each window begins is looked up, by halving."""
    for w in range(len(windows) - 1):
        low, high = expired[w], len(occurred_at)
        while low < high:
            middle = (low + high) // 2
            if occurred_at[order[middle]] < now - windows[w]:
                low = middle + 1
            else:
                high = middle
        expired[w] = low


@njit(cache=True, nogil=True)
def _move(bands, row, w, amount):
    """To the next older band."""
    bands[w, row] -= amount
    bands[w + 1, row] += amount


@njit(cache=True, nogil=True)
def _admit(
    fresh, now, windows, first_day_row, known_at, occurred_at, whole, bot, code, place, day,
    group_start, group_ids, groups, decay_rate, counts, totals, touch, decayed, day_event, opens, top,
):  # fmt: skip
    """Counts the events from `fresh` on that are visible `now`; returns the first that is not."""
    i = fresh
    while i < len(known_at) and is_visible(known_at[i], now):
        at, band = occurred_at[i], _band(windows, now - occurred_at[i])
        start, stop = (0, 0) if bot[i] else (group_start[code[i]], group_start[code[i] + 1])
        for k in range(start, stop):
            group = group_ids[k]
            kept, last = groups[group], touch[group, LAST]
            counts[band, group] += 1
            if kept[SESSION_ROW] >= 0 and (last < 0 or at - occurred_at[last] > SESSION_GAP):
                opens[kept[SESSION_ROW] - len(groups), i] = True
                counts[band, kept[SESSION_ROW]] += 1
            if kept[DAY_ROW] >= 0:
                rival = day_event[kept[DAY_ROW] - first_day_row, day[i]]
                if rival < 0 or occurred_at[rival] <= at:
                    day_event[kept[DAY_ROW] - first_day_row, day[i]] = i
                    counts[band, kept[DAY_ROW]] += 1
                    if rival >= 0:
                        counts[_band(windows, now - occurred_at[rival]), kept[DAY_ROW]] -= 1
            if whole[i] != NO_VALUE and kept[TOTAL_ROW] >= 0:
                counts[band, kept[VALUED_ROW]] += 1
                totals[band, kept[TOTAL_ROW], HIGH] += whole[i] >> LOW_BITS
                totals[band, kept[TOTAL_ROW], LOW] += whole[i] & LOW_MASK
            if whole[i] != NO_VALUE and kept[TOP_ROW] >= 0:
                _raise(top[kept[TOP_ROW]], len(known_at) - place[i], len(known_at), whole[i])
            for d in range(kept[DECAY_FROM], kept[DECAY_TO]):
                decayed[d] = _one_more(decayed[d], (at - occurred_at[last]) * decay_rate[d] if last >= 0 else 0.0)
            touch[group, FIRST] = i if last < 0 or at < occurred_at[touch[group, FIRST]] else touch[group, FIRST]
            touch[group, LAST] = i if last < 0 or at >= occurred_at[last] else last
        i += 1
    return i


@njit(cache=True, nogil=True)
def _band(windows, age):
    """The band of an event: the shortest window that reaches back to it."""
    band = 0
    while windows[band] < age:
        band += 1
    return band


@njit(cache=True, nogil=True)
def _one_more(decayed, gap):
    """A decayed count with an event that is `gap` half-lives younger than those before (older: less than 0)."""
    return decayed * np.exp2(-gap) + 1.0 if gap >= 0 else decayed + np.exp2(gap)


@njit(cache=True, nogil=True)
def _raise(top, node, nodes, whole):
    """Puts a value into a tree of maxima."""
    while node <= nodes:
        top[node] = max(top[node], whole)
        node += node & -node


@njit(cache=True, nogil=True)
def _press(fresh, seen, pressures, member, code, bot, occurred_at, order, place, touch, pressed):
    """Counts contacts since the last answer; events `fresh:seen` have become visible just now.

    The last answer only moves forward, so that each event is taken back once at most.
    """
    for p in range(len(pressures)):
        contacts, answer = pressures[p, 0], touch[pressures[p, 1], LAST]
        for i in range(fresh, seen):
            pressed[p, 0] += member[code[i], contacts] and not bot[i] and place[i] >= pressed[p, 1]
        while answer >= 0 and pressed[p, 1] < len(bot) and occurred_at[order[pressed[p, 1]]] <= occurred_at[answer]:
            i = order[pressed[p, 1]]
            pressed[p, 0] -= i < seen and member[code[i], contacts] and not bot[i]
            pressed[p, 1] += 1


@njit(cache=True, nogil=True)
def _sum_bands(counts, types, within):
    """Fills `within`; distinct types stand in the last row, and the types' own in the first `types`."""
    windows, rows = counts.shape
    for row in range(rows):
        within[0, row] = counts[0, row]
    for w in range(1, windows):
        for row in range(rows):
            within[w, row] = within[w - 1, row] + counts[w, row]
    for w in range(windows if types else 0):
        distinct = 0
        for row in range(types):
            distinct += within[w, row] > 0
        within[w, rows - 1] = distinct


@njit(cache=True, nogil=True)
def _total(totals, row, window):
    """A sum of high and low bits over all bands of a window, as one float64."""
    high, low = 0, 0
    for w in range(window + 1):
        high += totals[w, row, HIGH]
        low += totals[w, row, LOW]
    return float(high) * 2.0**LOW_BITS + float(low)


@njit(cache=True, nogil=True)
def _read(ops, now, first_seen, expired, decay_rate, occurred_at, within, totals, touch, decayed, pressed, top, row):
    """Fills `row`, float32[N], with the columns' values at the moment `now`; missing is NaN."""
    for column in range(len(ops)):
        op, a, b, c = ops[column]
        number = np.nan
        if op == COUNT:
            number = float(within[b, a])
        elif op == RECENCY and touch[a, LAST] >= 0:
            number = (now - occurred_at[touch[a, LAST]]) / US_PER_DAY
        elif op == SUM:
            number = _total(totals, a, b) / VALUE_SCALE
        elif op == MEAN and within[b, c] > 0:
            number = _total(totals, a, b) / within[b, c] / VALUE_SCALE
        elif op == MAX:
            number = _largest(top[a], len(occurred_at) - expired[b])
        elif op == DECAYED:
            last = touch[b, LAST]
            number = decayed[a] * np.exp2((occurred_at[last] - now) * decay_rate[a]) if last >= 0 else 0.0
        elif op == TREND and within[c, a] > 0:
            number = within[b, a] / within[c, a]
        elif op == CADENCE and within[b, a] > 1:
            span = occurred_at[touch[a, LAST]] - occurred_at[touch[a, FIRST]]
            number = span / (within[b, a] - 1) / US_PER_DAY
        elif op == IGNORED:
            number = float(pressed[a, 0])
        elif op == AGE and first_seen < EVER:
            number = (now - first_seen) / US_PER_DAY
        row[column] = number


@njit(cache=True, nogil=True)
def _largest(top, node):
    """The largest value among the last `node` events by occurred_at; NaN when none has one."""
    best = NO_VALUE
    while node > 0:
        best = max(best, top[node])
        node -= node & -node
    return best / VALUE_SCALE if best > NO_VALUE else np.nan
