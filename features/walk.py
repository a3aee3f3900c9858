"""The compiled walk through histories: at each moment old events leave, fresh ones enter, columns are read off.

Steps are inlined and do not count references: Numba does so for every array that crosses a call, which cost a fifth
of the time. So nothing is allocated below `walk`. All steps stand in this one file, because Numba's cache of compiled
code notices a change only in the file of the function that it has cached. What events count for is listed in rows of
equal length, filled up with rows that nobody reads: a branch that cannot be foreseen costs more than counting in vain.

A lead's events are known by their place: 1 … n in order of occurred_at, then of the log. The accumulators of a lead:

counts: int32[W, rows], events (and sessions, active days, values) in each window.
fresh: int32[W, rows], what has become visible since the moment before, by band: the shortest window that reaches back
    to it. An event enters one band, and all its windows at once with the others of its moment.
totals: int64[V, W, 2], sums of values in each window in whole ten-thousandths, split into high and low bits: exact
    for billions of the largest values, and so independent of order and of what has come and gone.
track: uint32[2, K], first and last visible place of a group; n + 1 and 0 for none.
decayed: float64[2, D + k], decayed counts as of the anchor of their rate, events taking turns between two halves:
    otherwise each sum waits for the one before. anchor: int64[R], an instant that follows the events at some distance,
    so that nothing overflows.
pressed: uint32[P, 2], contacts up to the last answer, and the first place that is later than it.
day_event: uint32[days, n], the latest visible event of a calendar day: it makes the day active.
marks: int32[S + D + V, n + 2], whether a visible event opens a session, makes a day active, has a value.
top: int64[tops, n + 1], Fenwick trees (Fenwick 1994) of maxima, from the last place back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.contract import US_PER_DAY, US_PER_SECOND, VALUE_SCALE
from data.visibility import is_visible, visible_version
from features.plan import (
    AGE,
    CADENCE,
    DECAYED,
    DISTINCT,
    EVER,
    IGNORED,
    MAX,
    MEAN,
    RECENCY,
    SUM,
    TREND,
    Instructions,
)

NEVER = -EVER
NO_VALUE = -EVER
SESSION_GAP = 30 * 60 * US_PER_SECOND
FIRST, LAST = 0, 1
HIGH, LOW = 0, 1
LOW_BITS = 32
LOW_MASK = 2**LOW_BITS - 1
FAR = 500.0
"""Half-lives at which an anchor is left behind."""
STEP_BITS = 6
STEPS = 2**STEP_BITS
POWERS = np.exp2(np.arange(STEPS) / STEPS).view(np.int64)
"""The bits of 2**(i / STEPS)."""
ROUND = 1.5 * 2.0**52
"""Added to a smaller number, it leaves no room for a fraction: the low bits of the sum are the rounded number."""
LN2 = np.log(2.0)
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy"}
STEP = {**COMPILED, "_nrt": False, "inline": "always"}


class State(NamedTuple):
    """Accumulators, and what is known of the lead's events.

    place: uint32[n], in the log's order. By place, from 1 to n: time (occurred_at; before the first NEVER, after the
    last EVER), order (row among the lead's in the log), day (rank of the calendar day, UTC), present (code, that of
    bots while not visible), whole (value). expired: uint32[W], the first place that is still in a window. weight:
    float64[R], what an instant counts as of the anchors.
    """

    counts: NDArray[np.int32]
    fresh: NDArray[np.int32]
    totals: NDArray[np.int64]
    track: NDArray[np.uint32]
    decayed: NDArray[np.float64]
    anchor: NDArray[np.int64]
    pressed: NDArray[np.uint32]
    day_event: NDArray[np.uint32]
    marks: NDArray[np.int32]
    top: NDArray[np.int64]
    place: NDArray[np.uint32]
    time: NDArray[np.int64]
    order: NDArray[np.uint32]
    day: NDArray[np.uint32]
    present: NDArray[np.uint32]
    whole: NDArray[np.int64]
    expired: NDArray[np.uint32]
    weight: NDArray[np.float64]


@njit(**COMPILED)
def walk(plan, code_of, events, profiles, moments, out):
    """Fills `out` lead by lead; returns -1, or the first moment that is out of order or of a lead that is not there.

    plan: Instructions as a plain tuple, which crosses into compiled code faster. code_of: int32, vocabulary code of
        each of the log's event types.
    events: (starts, known_at, occurred_at, event_type, value, bot). profiles: (starts, valid_from).
    moments: (lead, as_of). out: (columns float32[N, m], rows int64[2 * H + 1, m]), see features.kernel.Computed.
    """
    plan = Instructions(*plan)
    starts, lead, as_of = events[0], moments[0], moments[1]
    longest = 0
    for r in range(len(as_of)):
        if not 0 <= lead[r] < len(starts) - 1 or (r > 0 and (lead[r], as_of[r]) < (lead[r - 1], as_of[r - 1])):
            return r
        longest = max(longest, starts[lead[r] + 1] - starts[lead[r]])
    _walk_leads(plan, _new_state(plan, longest), code_of, events, profiles, lead, as_of, out)
    return -1


@njit(**COMPILED)
def _new_state(plan, events):
    """Accumulators with room for a lead of up to `events` events."""
    windows, rows = len(plan.windows), plan.nothing + plan.rows.shape[1]
    marks = len(plan.sessions) + len(plan.days) + len(plan.values)
    return State(
        np.empty((windows, rows), np.int32),
        np.empty((windows, rows), np.int32),
        np.empty((len(plan.values), windows, 2), np.int64),
        np.empty((2, plan.tracked + plan.tracks.shape[1]), np.uint32),
        np.empty((2, len(plan.decays)), np.float64),
        np.empty(len(plan.rates), np.int64),
        np.empty((len(plan.pressures), 2), np.uint32),
        np.empty((len(plan.days), events), np.uint32),
        np.empty((marks, events + 2), np.int32),
        np.empty((len(plan.tops), events + 1), np.int64),
        np.empty(events, np.uint32),
        np.empty(events + 2, np.int64),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.uint32),
        np.empty(events + 2, np.int64),
        np.empty(windows, np.uint32),
        np.empty(len(plan.rates), np.float64),
    )


@njit(**{**STEP, "inline": "never"})
def _walk_leads(plan, state, code_of, events, profiles, lead, as_of, out):
    """Lead by lead: its events are `begin:end`, its moments `start:stop`."""
    starts, profile_starts, valid_from = events[0], profiles[0], profiles[1]
    stop = 0
    while stop < len(as_of):
        of, start = lead[stop], stop
        while stop < len(as_of) and lead[stop] == of:
            stop += 1
        oldest, newest = profile_starts[of], profile_starts[of + 1]
        for r in range(start, stop):
            out[1][2 * len(plan.touches), r] = visible_version(valid_from, oldest, newest, as_of[r])
        created = valid_from[oldest] if newest > oldest else EVER
        _walk_lead(plan, state, code_of, events, starts[of], starts[of + 1], as_of, start, stop, created, out)


@njit(**STEP)
def _walk_lead(plan, state, code_of, events, begin, end, as_of, start, stop, created, out):
    """`created` is the time of its first profile version."""
    known_at, kind, value, bot = events[1], events[3], events[4], events[5]
    numbers, rows = out
    place, time, order, track = state.place, state.time, state.order, state.track
    counts, counted, touches = state.counts, plan.counted, plan.touches
    n, bots = end - begin, np.uint32(len(plan.member) - 1)
    _clear(state, bots, n)
    _arrange(known_at, events[2], begin, n, place, time, order, state.day)
    seen, earliest = 0, n + 1
    for r in range(start, stop):
        now, fresh = as_of[r], seen
        if seen == 0:
            _skip(plan, state, now, n)
        else:
            _expire(plan, state, now)
        while seen < n and is_visible(known_at[begin + seen], now):
            i = begin + seen
            code = bots if bot[i] else np.uint32(code_of[kind[i]])
            _admit(plan, state, now, n, place[seen], code, value[i], np.uint32(seen))
            earliest = min(earliest, place[seen])
            seen += 1
        if seen > fresh:
            _settle(counts, state.fresh)
            _press(plan, state)
        born = min(time[earliest], created) if created <= now else time[earliest]
        for c in range(len(counted)):
            numbers[counted[c, 0], r] = counts[counted[c, 2], counted[c, 1]]
        _read(plan, state, now, n, born, numbers, r)
        for k in range(len(touches)):
            none = track[LAST, touches[k]] == 0
            rows[k, r] = -1 if none else begin + order[track[FIRST, touches[k]]]
            rows[len(touches) + k, r] = -1 if none else begin + order[track[LAST, touches[k]]]


@njit(**STEP)
def _clear(state, nobody, n):
    """Forgets the lead before; the next one has `n` events."""
    state.counts[:] = 0
    state.fresh[:] = 0
    state.totals[:] = 0
    state.track[FIRST, :] = n + 1
    state.track[LAST, :] = 0
    state.decayed[:] = 0
    state.anchor[:] = NEVER
    state.pressed[:, 0] = 0
    state.pressed[:, 1] = 1
    state.day_event[:, :n] = 0
    state.marks[:, : n + 2] = 0
    state.top[:, : n + 1] = NO_VALUE
    state.present[: n + 2] = nobody
    state.expired[:] = 1
    state.time[0] = NEVER
    state.time[n + 1] = EVER


@njit(**STEP)
def _arrange(known_at, occurred_at, begin, n, place, time, order, day):
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


@njit(**STEP)
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


@njit(**STEP)
def _expire(plan, state, now):
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


@njit(**STEP)
def _skip(plan, state, now, n):
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


@njit(**STEP)
def _admit(plan, state, now, n, k, code, value, seen):
    """Counts the event at place `k`, which has become visible by `now`."""
    windows, member, rows, tracks = plan.windows, plan.member, plan.rows, plan.tracks
    fresh, marks, track, time, day_event = state.fresh, state.marks, state.track, state.time, state.day_event
    marked, at = fresh[:, member.shape[1] :], time[k]
    band = _band(windows, now - at)
    state.present[k] = code
    for j in range(rows.shape[1]):
        fresh[band, rows[code, j]] += 1
    for s in range(len(plan.sessions)):
        if member[code, plan.sessions[s, 0]] and at - time[track[LAST, plan.sessions[s, 1]]] > SESSION_GAP:
            marks[s, k] = 1
            marked[band, s] += 1
    for d in range(len(plan.days)):
        rival, mark = day_event[d, state.day[k]], np.uint32(len(plan.sessions) + d)
        if member[code, plan.days[d]] and rival < k:
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
    if not np.isnan(value):
        _admit_value(plan, state, n, k, code, band, np.int64(np.rint(value * VALUE_SCALE)))
    for j in range(tracks.shape[1]):
        t = tracks[code, j]
        if k < track[FIRST, t]:
            track[FIRST, t] = k
        if k > track[LAST, t]:
            track[LAST, t] = k
    for p in range(len(plan.pressures)):
        if k < state.pressed[p, 1]:
            state.pressed[p, 0] += np.uint32(member[code, plan.pressures[p, 0]])
    _weigh(plan, state, at)
    half = seen & np.uint32(1)
    for j in range(plan.decaying.shape[1]):
        d = plan.decaying[code, j]
        state.decayed[half, d] += state.weight[plan.decays[d]]


@njit(**STEP)
def _admit_value(plan, state, n, k, code, band, whole):
    """Counts the value of the event at place `k`."""
    first, totals = len(plan.sessions) + len(plan.days), state.totals
    marked = state.fresh[:, plan.member.shape[1] :]
    state.whole[k] = whole
    for v in range(len(plan.values)):
        if plan.member[code, plan.values[v]]:
            state.marks[first + v, k] = 1
            marked[band, first + v] += 1
            for w in range(band, len(plan.windows)):
                totals[v, w, HIGH] += whole >> LOW_BITS
                totals[v, w, LOW] += whole & LOW_MASK
    for t in range(len(plan.tops)):
        if plan.member[code, plan.tops[t]]:
            _raise(state.top[t], n + 1 - k, n, whole)


@njit(**STEP)
def _weigh(plan, state, at):
    """Fills `weight` with what an event at the instant `at` counts as of each anchor; anchors that are left far
    behind follow."""
    for a in range(len(plan.rates)):
        gap = (at - state.anchor[a]) * plan.rates[a]
        if gap > FAR:
            for d in range(len(plan.decays)):
                for half in range(2):
                    state.decayed[half, d] *= np.exp2(-gap) if plan.decays[d] == a else 1.0
            state.anchor[a], gap = at, 0.0
        state.weight[a] = _power(max(gap, -FAR))


@njit(**STEP)
def _power(x):
    """2**x to ten digits, for abs(x) up to 1,000; the library's would be a call, and an event needs several.

    By a table of steps and a short series between them (Tang 1989, ACM TOMS 15(2)).
    """
    shifted = x * STEPS + ROUND
    steps = np.float64(shifted).view(np.int64)
    rest = (x - (shifted - ROUND) / STEPS) * LN2
    below = np.int64(POWERS[steps & (STEPS - 1)] + ((steps >> STEP_BITS) << 52)).view(np.float64)
    return below * (1.0 + rest * (1.0 + rest * (1.0 / 2.0 + rest * (1.0 / 6.0))))


@njit(**STEP)
def _band(windows, age):
    """The band of an event: the shortest window that reaches back to it."""
    band = 0
    for w in range(len(windows)):
        band += windows[w] < age
    return np.uint32(band)


@njit(**STEP)
def _settle(counts, fresh):
    """Counts what is fresh in all windows that reach back to it."""
    for w in range(len(counts)):
        for row in range(counts.shape[1]):
            counts[w, row] += fresh[w, row]
        if w + 1 < len(counts):
            for row in range(counts.shape[1]):
                fresh[w + 1, row] += fresh[w, row]
    fresh[:] = 0


@njit(**STEP)
def _raise(top, node, nodes, whole):
    """Puts a value into a tree of maxima."""
    while node <= nodes:
        top[node] = max(top[node], whole)
        node += node & -node


@njit(**STEP)
def _press(plan, state):
    """Counts the contacts that the last answer was an answer to.

    The last answer only moves forward, so that each event is counted once at most.
    """
    pressures, member, pressed = plan.pressures, plan.member, state.pressed
    time, present, track = state.time, state.present, state.track
    for p in range(len(pressures)):
        contacts, answer = pressures[p, 0], track[LAST, pressures[p, 1]]
        answered, after = pressed[p, 0], pressed[p, 1]
        while time[after] <= time[answer]:
            answered += np.uint32(member[present[after], contacts])
            after += np.uint32(1)
        pressed[p, 0], pressed[p, 1] = answered, after


@njit(**STEP)
def _total(totals, row, window):
    """A sum of high and low bits, as one float64."""
    return float(totals[row, window, HIGH]) * 2.0**LOW_BITS + float(totals[row, window, LOW])


@njit(**STEP)
def _read(plan, state, now, n, born, numbers, r):
    """Fills row `r` of the columns that are no counts, as of the moment `now`; missing is NaN."""
    ops, rates, expired, time, counts = plan.ops, plan.rates, state.expired, state.time, state.counts
    totals, track, decayed, weight = state.totals, state.track, state.decayed, state.weight
    for a in range(len(rates)):
        weight[a] = np.exp2((state.anchor[a] - now) * rates[a])
    for k in range(len(ops)):
        op, a, b, c = ops[k, 1], ops[k, 2], ops[k, 3], ops[k, 4]
        number = np.nan
        if op == RECENCY:
            if track[LAST, a]:
                number = (now - time[track[LAST, a]]) / US_PER_DAY
        elif op == DECAYED:
            number = (decayed[0, a] + decayed[1, a]) * weight[b]
        elif op == TREND:
            if counts[c, a] > 0:
                number = counts[b, a] / counts[c, a]
        elif op == DISTINCT:
            distinct = 0
            for t in range(plan.types):
                distinct += counts[a, t] > 0
            number = float(distinct)
        elif op == SUM:
            number = _total(totals, a, b) / VALUE_SCALE
        elif op == MEAN:
            if counts[b, c] > 0:
                number = _total(totals, a, b) / counts[b, c] / VALUE_SCALE
        elif op == MAX:
            number = _largest(state.top[a], n + 1 - np.int64(expired[b]))
        elif op == CADENCE:
            if counts[b, a] > 1:
                number = (time[track[LAST, c]] - time[track[FIRST, c]]) / (counts[b, a] - 1) / US_PER_DAY
        elif op == IGNORED:
            number = float(counts[len(counts) - 1, plan.pressures[a, 0]] - state.pressed[a, 0])
        elif op == AGE and born < EVER:
            number = (now - born) / US_PER_DAY
        numbers[ops[k, 0], r] = number


@njit(**STEP)
def _largest(top, node):
    """The largest value among the last `node` events by occurred_at; NaN when none has one."""
    best = NO_VALUE
    while node > 0:
        best = max(best, top[node])
        node -= node & -node
    return best / VALUE_SCALE if best > NO_VALUE else np.nan
