"""The walk itself: lead by lead, moment by moment."""

from __future__ import annotations

import numpy as np

from data.compiled import njit
from data.visibility import is_visible, visible_version
from features.kinds.accumulators import EVER
from features.walk.counts import band_of, count, expire, mark_day, open_session, settle, skip
from features.walk.decays import fade
from features.walk.derived import derive_columns
from features.walk.instructions import Instructions
from features.walk.places import arrange
from features.walk.state import FIRST, LAST, clear, compiled, new_state, step
from features.walk.tracks import follow, press
from features.walk.values import admit_value


@compiled
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
    _walk_leads(plan, new_state(plan, longest), code_of, events, profiles, lead, as_of, out)
    return -1


@njit(error_model="numpy", _nrt=False)
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


@step
def _walk_lead(plan, state, code_of, events, begin, end, as_of, start, stop, created, out):
    """`created` is the time of its first profile version."""
    known_at, kind, value, bot = events[1], events[3], events[4], events[5]
    numbers, rows = out
    place, time, order, track = state.place, state.time, state.order, state.track
    counts, counted, touches = state.counts, plan.counted, plan.touches
    n, bots = end - begin, np.uint32(len(plan.member) - 1)
    clear(state, bots, n)
    arrange(known_at, events[2], begin, n, place, time, order, state.day)
    seen, earliest = 0, n + 1
    for r in range(start, stop):
        now, fresh = as_of[r], seen
        if seen == 0:
            skip(plan, state, now, n)
        else:
            expire(plan, state, now)
        while seen < n and is_visible(known_at[begin + seen], now):
            i = begin + seen
            code = bots if bot[i] else np.uint32(code_of[kind[i]])
            _admit(plan, state, now, n, place[seen], code, value[i], np.uint32(seen))
            earliest = min(earliest, place[seen])
            seen += 1
        if seen > fresh:
            settle(counts, state.fresh)
            press(plan, state)
        born = min(time[earliest], created) if created <= now else time[earliest]
        for c in range(len(counted)):
            numbers[counted[c, 0], r] = counts[counted[c, 2], counted[c, 1]]
        derive_columns(plan, state, now, n, born, numbers, r)
        for k in range(len(touches)):
            none = track[LAST, touches[k]] == 0
            rows[k, r] = -1 if none else begin + order[track[FIRST, touches[k]]]
            rows[len(touches) + k, r] = -1 if none else begin + order[track[LAST, touches[k]]]


@step
def _admit(plan, state, now, n, k, code, value, seen):
    """Lets the event at place `k` in, which has become visible by `now`, the `seen`th of its lead."""
    band = band_of(plan.windows, now - state.time[k])
    count(plan, state, band, k, code)
    open_session(plan, state, band, k, code)
    mark_day(plan, state, now, band, k, code)
    if not np.isnan(value):
        admit_value(plan, state, n, k, code, band, value)
    follow(plan, state, k, code)
    fade(plan, state, k, code, seen)
