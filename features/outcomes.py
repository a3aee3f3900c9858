"""Which outcomes stand at a moment: what is valid then decides; a target may be undone, and a lead reopened.

An event is valid at a moment iff it is visible then and not known to be wrong before it (`data.visibility.is_valid`).

Undoing: events of the types `undone_by` undo target events. Of those valid at a moment, in order of (occurred_at,
known_at), each undoes the newest target event of the lead, the last by (occurred_at, known_at), among the valid ones
that occurred at or before it and are not undone yet; where there is none it does nothing. One that names a deal undoes
events of this deal only. A target event that is valid and not undone stands. So it counts until its undoing becomes
known, and from then on it does not.

Reopening: an event of the types `reopened_by` puts those outcomes of the lead behind it that come before it in order
of (known_at, occurred_at). Outcomes are target events that stand, where the target does not repeat, and valid events of
the types `closed_by`. One that names a deal puts of the target events only those of this deal behind the lead. A lead
is out at a moment iff one of its outcomes is not behind it. Where no deals are named that is: the newest of its
outcomes and reopenings, by (known_at, occurred_at), is an outcome; where two are equally new the outcome decides.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR, Histories
from data.visibility import is_valid
from features.labels import Occurrences, Target
from features.outcome_events import CLOSES, REOPENS, TARGET, UNDOES, OutcomeEvents, outcome_events_of, times_of


def is_final(target: Target, histories: Histories) -> bool:
    """Whether what has happened stands for ever: nothing undoes, reopens or is known to be wrong."""
    return histories.superseded_at is None and not (target.undone_by or target.reopened_by)


def occurrences_of(histories: Histories, target: Target, until: int, known_until: int | None = None) -> Occurrences:
    """When the target happened to leads until `until` (µs UTC), by what stands at `known_until`, then if not given."""
    known_until = until if known_until is None else known_until
    merged_at = None if histories.absences is None else histories.absences.merged_at(known_until)
    if merged_at is None and is_final(target, histories):
        return Occurrences(*times_of(histories, target.events, histories.occurred_at, known_until), until)
    return observed(outcome_events_of(histories, target), until, known_until, merged_at)


def observed(events: OutcomeEvents, until: int, known_until: int, merged_at: NDArray[np.int64] | None) -> Occurrences:
    """The same of events. merged_at: int64[n_leads], since when leads are others at `known_until`, FAR for none.

    A lead that is merged into another one was observed until it was.
    """
    if merged_at is None:
        return replace(standing(events, known_until), until=until)
    happened = standing(events, np.minimum(merged_at, known_until))
    return replace(happened, until=np.minimum(merged_at, until))


def standing(events: OutcomeEvents, until: int | NDArray[np.int64]) -> Occurrences:
    """The target events that stand at `until` (µs UTC), one for all leads or one for each."""
    ends = np.broadcast_to(np.asarray(until, np.int64), (len(events.starts) - 1,)).copy()
    starts, times, behind_at = _standing(events.starts, *events.columns, ends)
    return Occurrences(starts, times, until, behind_at)


def out_at(events: OutcomeEvents, target: Target, as_of: int) -> NDArray[np.bool_]:
    """bool[n_leads]: which leads are out of the population at `as_of` (µs UTC) by their outcomes."""
    out: NDArray[np.bool_] = _out_at(events.starts, *events.columns, as_of, target.repeats)
    return out


def left(histories: Histories, target: Target, as_of: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[n_leads] each: leads that are out at `as_of` (µs UTC) and have converted, and those that have not.

    Whoever left a target that repeats has not converted for good.
    """
    events = outcome_events_of(histories, target)
    out, happened = out_at(events, target, as_of), standing(events, as_of)
    won = out & (np.diff(happened.starts) > 0) & (not target.repeats)
    return won, out & ~won


@njit()
def _mark_standing(
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    deal: NDArray[np.uint64],
    as_of: int,
    stands: NDArray[np.bool_],
    standing_rows: NDArray[np.int64],
) -> None:
    """Says in `stands` which of one lead's events are target events that stand at `as_of`; `standing_rows` is room."""
    stands[:] = False
    n = 0
    for i in range(len(meaning)):
        if not is_valid(known_at[i], superseded_at[i], as_of):
            continue
        if meaning[i] & TARGET:
            standing_rows[n] = i  # the newest so far is the last
            stands[i] = True
            n += 1
        elif meaning[i] & UNDOES:
            k = n - 1
            while k >= 0 and not _is_about(deal[i], deal[standing_rows[k]]):
                k -= 1
            if k >= 0:
                stands[standing_rows[k]] = False
                standing_rows[k : n - 1] = standing_rows[k + 1 : n].copy()
                n -= 1


@njit()
def _is_about(deal: int, other: int) -> bool:
    """Whether what undoes or reopens a deal, 0 for any, is about an event of another one."""
    return deal == 0 or deal == other


@njit()
def _is_newer(known_at: int, occurred_at: int, other_known_at: int, other_occurred_at: int) -> bool:
    """Whether an event comes after another in order of (known_at, occurred_at)."""
    return known_at > other_known_at or (known_at == other_known_at and occurred_at > other_occurred_at)


@njit()
def is_out(
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    deal: NDArray[np.uint64],
    as_of: int,
    repeats: bool,
    stands: NDArray[np.bool_],
    room: NDArray[np.int64],
) -> bool:
    """Whether one lead, whose events these are, is out at `as_of` (µs UTC). stands, room: arrays to work in."""
    _mark_standing(meaning, known_at, superseded_at, deal, as_of, stands, room)
    newest_known, newest_occurred, out = -FAR, -FAR, False
    for i in range(len(meaning)):
        if not is_valid(known_at[i], superseded_at[i], as_of):
            continue
        ends = (stands[i] and not repeats) or meaning[i] & CLOSES
        if ends and not _is_newer(newest_known, newest_occurred, known_at[i], occurred_at[i]):
            newest_known, newest_occurred, out = known_at[i], occurred_at[i], True
        elif meaning[i] & REOPENS and _is_newer(known_at[i], occurred_at[i], newest_known, newest_occurred):
            newest_known, newest_occurred, out = known_at[i], occurred_at[i], False
    if out or repeats or not deal.any():
        return out
    # All that has closed is behind it, and of what stands that of the deals that were reopened.
    reopenings = room[: _reopenings(meaning, known_at, superseded_at, 0, len(meaning), as_of, room)]
    for win in np.flatnonzero(stands):
        behind = False
        for k in reopenings:
            newer = _is_newer(known_at[k], occurred_at[k], known_at[win], occurred_at[win])
            behind = behind or (newer and _is_about(deal[k], deal[win]))
        out = out or not behind
    return out


@njit()
def _out_at(
    starts: NDArray[np.int64],
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    deal: NDArray[np.uint64],
    as_of: int,
    repeats: bool,
) -> NDArray[np.bool_]:
    out = np.zeros(len(starts) - 1, np.bool_)
    stands, room = np.empty(len(meaning), np.bool_), np.empty(len(meaning), np.int64)
    for lead in range(len(out)):
        a, b = starts[lead], starts[lead + 1]
        columns = meaning[a:b], known_at[a:b], occurred_at[a:b], superseded_at[a:b], deal[a:b]
        out[lead] = is_out(*columns, as_of, repeats, stands[a:b], room[a:b])
    return out


@njit()
def _standing(
    starts: NDArray[np.int64],
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    deal: NDArray[np.uint64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where each lead's standing target events begin, when they occurred, and from when on they are behind it."""
    stands, room = np.empty(len(meaning), np.bool_), np.empty(len(meaning), np.int64)
    begins, times, behind_at, n = np.zeros(len(starts), np.int64), np.empty_like(room), np.empty_like(room), 0
    for lead in range(len(starts) - 1):
        a, b, until = starts[lead], starts[lead + 1], ends[lead]
        _mark_standing(meaning[a:b], known_at[a:b], superseded_at[a:b], deal[a:b], until, stands[a:b], room[a:b])
        reopenings = room[a : a + _reopenings(meaning, known_at, superseded_at, a, b, until, room)]
        for i in range(a, b):
            if stands[i]:
                times[n], behind_at[n] = occurred_at[i], FAR
                for k in reopenings:
                    newer = _is_newer(known_at[k], occurred_at[k], known_at[i], occurred_at[i])
                    if newer and _is_about(deal[k], deal[i]):
                        behind_at[n] = min(behind_at[n], known_at[k])
                n += 1
        begins[lead + 1] = n
    return begins, times[:n], behind_at[:n]


@njit()
def _reopenings(
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    begin: int,
    end: int,
    until: int,
    rows: NDArray[np.int64],
) -> int:
    """Writes the rows of valid reopenings into `rows` from `begin` on; says how many."""
    n = 0
    for i in range(begin, end):
        if meaning[i] & REOPENS and is_valid(known_at[i], superseded_at[i], until):
            rows[begin + n] = i
            n += 1
    return n
