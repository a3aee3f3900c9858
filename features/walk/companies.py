"""The walk around a lead: at each of its moments the colleagues are looked at that it has then.

Each colleague is walked once for all moments of a lead, and of its groups only the newest event is kept; one of whose
events some were known to be wrong is walked anew. Cost: for each lead the events of its company and, for each moment,
its colleagues; data.companies.MOST bounds how many these are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR
from data.visibility import is_valid, is_visible, visible_version
from features.kinds.accumulators import EVER

COUNT, ACTIVE, RECENCY, SPREAD = range(4)
"""What a column is: colleagues, those who were active, days since the newest of them was, different traits."""


class AroundPlan(NamedTuple):
    """Columns that are read off colleagues.

    columns: int64[N], their places. ops: int64[N, 4], what each is, group, window in µs, trait.
    member: bool[T + 1, G], whether events of a code belong to a group; unknown types come last.
    traits: category columns that are looked at.
    """

    columns: NDArray[np.int64]
    ops: NDArray[np.int64]
    member: NDArray[np.bool_]
    traits: tuple[str, ...]


@njit()
def walk_around(ops, member, code_of, members, events, versions, traits, absences, moments, numbers, day_us):
    """Fills `numbers`, float32[N, m], for moments sorted by (lead, as_of).

    members: (starts, leads, ends) of accounts. events: (starts, known_at, occurred_at, event_type, superseded_at).
    versions: (starts, valid_from, account). traits: int32[traits, versions]. absences: (starts, from_at, until).
    moments: (lead, as_of, account, own): the account that the lead names then, and which of the members it is itself,
    -1 for none.
    """
    starts, leads, ends = members
    lead, as_of, account, own = moments
    most, size = 1, 0
    for a in range(len(starts) - 1):
        most = max(most, starts[a + 1] - starts[a])
    seen, newest = np.zeros(most, np.int64), np.full((most, member.shape[1]), -FAR)
    stamp = np.full((len(ops), traits.max() + 1 if traits.size else 1), -1)
    found = np.empty(len(ops), np.int64)
    for r in range(len(as_of)):
        a, now = account[r], as_of[r]
        if r == 0 or lead[r] != lead[r - 1] or a != account[r - 1]:
            size = starts[a + 1] - starts[a] if a >= 0 else 0
            seen[:size], newest[:size] = 0, -FAR
        if a < 0 or ends[a] <= now:
            numbers[:, r] = np.nan
            continue
        for o in range(len(ops)):
            found[o] = -FAR if ops[o, 0] == RECENCY else 0
        for k in range(size):
            j = leads[starts[a] + k]
            version = visible_version(versions[1], versions[0][j], versions[0][j + 1], now)
            if j == own[r] or version < 0 or versions[2][version] != a or _is_away(absences, j, now):
                continue
            seen[k] = _catch_up(events, code_of, member, j, seen[k], newest[k], now)
            for o in range(len(ops)):
                kind, group, window, trait = ops[o, 0], ops[o, 1], ops[o, 2], ops[o, 3]
                if kind == COUNT:
                    found[o] += 1
                elif kind == ACTIVE:
                    found[o] += newest[k, group] > -FAR and (window == EVER or newest[k, group] >= now - window)
                elif kind == RECENCY:
                    found[o] = max(found[o], newest[k, group])
                elif traits[trait, version] >= 0 and stamp[o, traits[trait, version]] != r:
                    stamp[o, traits[trait, version]] = r
                    found[o] += 1
        for o in range(len(ops)):
            if ops[o, 0] != RECENCY:
                numbers[o, r] = found[o]
            else:
                numbers[o, r] = (now - found[o]) / day_us if found[o] > -FAR else np.nan


@njit()
def _is_away(absences, j, now):
    starts, from_at, until = absences
    away = False
    for i in range(starts[j], starts[j + 1]):
        away = away or from_at[i] < now <= until[i]
    return away


@njit()
def _catch_up(events, code_of, member, j, seen, newest, now):
    """Lets the events of lead `j` in that have become visible since `seen` of them had; says how many have now."""
    starts, known_at, occurred_at, event_type, superseded_at = events
    begin, end = starts[j], starts[j + 1]
    for i in range(begin, begin + seen):
        if is_visible(superseded_at[i], now):
            seen = 0
            newest[:] = -FAR
            break
    while begin + seen < end and is_visible(known_at[begin + seen], now):
        i = begin + seen
        seen += 1
        if is_valid(known_at[i], superseded_at[i], now):
            code = code_of[event_type[i]]
            for g in range(member.shape[1]):
                if member[code, g]:
                    newest[g] = max(newest[g], occurred_at[i])
    return seen
