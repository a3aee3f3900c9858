"""Who is in the population, and when: decided at each moment by what is valid then, and by nothing that comes later.

A lead is in at a moment t iff all of this holds:
- an event of it is valid at t, or a profile version is visible;
- an event of the types that the target requires is valid at t, where it requires any;
- it is not out by its outcomes at t (features/outcomes.py): it goes out when it becomes known that the target has
  happened, unless it repeats, or that the chance has ended; it comes back when that is undone or known to be wrong,
  or when it is reopened;
- it is not away at t: no absence (data/log/absences.py: merged or deleted) has from_at < t <= until.

It joins when the first two hold for the first time, in or out, there or away. Where nothing undoes, reopens or is known
to be wrong, and nobody is away, it is in exactly from when it joins until its first outcome becomes known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR, Histories
from features.labels import Target, first_of_lead
from features.outcome_events import REOPENS, UNDOES, outcome_events_of, times_of
from features.outcomes import is_final, is_out

Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Times of leads: starts int64[n_leads + 1]; since, until int64[n]: all t with since < t <= until."""


@dataclass(frozen=True)
class Population:
    """When leads are in: lead i at moments t with since < t <= until, for its rows starts[i]:starts[i + 1].

    since, until: int64, µs UTC, a lead's in order of time and apart; a row may be empty. joined: int64[n_leads], when
    each joined, FAR for never.
    """

    starts: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]
    joined: NDArray[np.int64]

    @property
    def lead(self) -> NDArray[np.int32]:
        """int32: the lead of each row."""
        return np.repeat(np.arange(len(self.joined), dtype=np.int32), np.diff(self.starts))

    @property
    def is_single(self) -> bool:
        """Whether every lead has one row."""
        return len(self.since) == len(self.joined) and bool((np.diff(self.starts) == 1).all())

    def at(self, as_of: int) -> NDArray[np.int32]:
        """Leads that are in at `as_of` (µs UTC)."""
        return self.lead[(self.since < as_of) & (as_of <= self.until)]

    def has(self, lead: NDArray[np.int32], as_of: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether each lead is in at the moment beside it."""
        inside: NDArray[np.bool_] = _inside((self.starts, self.since, self.until), lead, as_of)
        return inside


def population_of(histories: Histories, target: Target) -> Population:
    """When each lead is in the target's population."""
    if is_final(target, histories) and histories.absences is None:
        return _for_good(histories, target)
    superseded = np.full(histories.n_events, FAR) if histories.superseded_at is None else histories.superseded_at
    out = _out_spans(histories, target)
    known = _known_spans(histories, superseded)
    required = _valid_spans(histories, superseded, target.requires) if target.requires else _always(histories.n_leads)
    away = histories.absences
    absent = _never(histories.n_leads) if away is None else (away.starts, away.from_at, away.until)
    return Population(*_between(*known, required, out, absent))


def _for_good(histories: Histories, target: Target) -> Population:
    """In from joining to the first outcome."""
    joined = np.minimum(
        first_of_lead(histories.starts, histories.known_at),
        first_of_lead(histories.profiles.starts, histories.profiles.valid_from),
    )
    if target.requires:
        joined = np.maximum(joined, first_of_lead(*times_of(histories, target.requires, histories.known_at)))
    left = first_of_lead(*times_of(histories, target.outcomes, histories.known_at))
    return Population(np.arange(len(joined) + 1), joined, left, joined)


def _known_spans(histories: Histories, superseded: NDArray[np.int64]) -> tuple[Spans, Spans]:
    """When an event is valid, and when a profile version is visible: from the first one on."""
    first = first_of_lead(histories.profiles.starts, histories.profiles.valid_from)
    profile = (np.arange(len(first) + 1), first, np.full(len(first), FAR))
    return _valid_spans(histories, superseded, histories.types), profile


def _valid_spans(histories: Histories, superseded: NDArray[np.int64], types: list[str] | tuple[str, ...]) -> Spans:
    wanted = np.array([name in types for name in histories.types], dtype=np.bool_)
    events = (histories.starts, histories.event_type, histories.known_at, superseded)
    spans: Spans = _united(*events, wanted)
    return spans


def _out_spans(histories: Histories, target: Target) -> Spans:
    """Of a target that repeats, its own events put nobody out, however many there are."""
    events = outcome_events_of(histories, replace(target, events=(), undone_by=()) if target.repeats else target)
    spans: Spans = _out(events.starts, *events.columns)
    return spans


def _always(n_leads: int) -> Spans:
    return np.arange(n_leads + 1), np.full(n_leads, -FAR), np.full(n_leads, FAR)


def _never(n_leads: int) -> Spans:
    return np.zeros(n_leads + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)


@njit()
def _united(
    starts: NDArray[np.int64],
    event_type: NDArray[np.int32],
    known_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    wanted: NDArray[np.bool_],
) -> Spans:
    """When at least one event of wanted types is valid; a lead's events are in order of known_at."""
    begins, since, until, n = np.zeros(len(starts), np.int64), np.empty_like(known_at), np.empty_like(known_at), 0
    for lead in range(len(starts) - 1):
        for i in range(starts[lead], starts[lead + 1]):
            if wanted[event_type[i]] and known_at[i] < superseded_at[i]:
                n = _added(since, until, begins[lead], n, known_at[i], superseded_at[i])
        begins[lead + 1] = n
    return begins, since[:n].copy(), until[:n].copy()


@njit()
def _out(
    starts: NDArray[np.int64],
    meaning: NDArray[np.int8],
    known_at: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    superseded_at: NDArray[np.int64],
    deal: NDArray[np.uint64],
) -> Spans:
    """When leads are out: that can only change just after an event becomes known, or known to be wrong.

    Costs the square of a lead's events, but only where one of them undoes or reopens: else any valid one puts it out.
    """
    most = 2 * len(meaning)
    begins, since, until, n = np.zeros(len(starts), np.int64), np.empty(most, np.int64), np.empty(most, np.int64), 0
    stands, room = np.empty(len(meaning), np.bool_), np.empty(len(meaning), np.int64)
    for lead in range(len(starts) - 1):
        a, b = starts[lead], starts[lead + 1]
        if not (meaning[a:b] & (UNDOES | REOPENS)).any():
            for i in a + np.argsort(known_at[a:b]):
                if known_at[i] < superseded_at[i]:
                    n = _added(since, until, begins[lead], n, known_at[i], superseded_at[i])
        else:
            columns = meaning[a:b], known_at[a:b], occurred_at[a:b], superseded_at[a:b], deal[a:b]
            edges = np.unique(np.append(np.concatenate((known_at[a:b], superseded_at[a:b])), FAR))
            for k in range(len(edges) - 1):
                if is_out(*columns, edges[k] + 1, False, stands[a:b], room[a:b]):
                    n = _added(since, until, begins[lead], n, edges[k], edges[k + 1])
        begins[lead + 1] = n
    return begins, since[:n].copy(), until[:n].copy()


@njit()
def _added(
    since: NDArray[np.int64], until: NDArray[np.int64], first: int, n: int, since_now: int, until_now: int
) -> int:
    """Adds a span that begins no earlier than the last of a lead's, `first` to `n`; says how many there are then."""
    if n > first and since_now <= until[n - 1]:
        until[n - 1] = max(until[n - 1], until_now)
        return n
    since[n], until[n] = since_now, until_now
    return n + 1


@njit()
def _holds(spans: Spans, lead: int, as_of: int) -> bool:
    starts, since, until = spans
    inside = False
    for i in range(starts[lead], starts[lead + 1]):
        inside = inside or since[i] < as_of <= until[i]
    return inside


@njit()
def _edges(spans: Spans, lead: int) -> NDArray[np.int64]:
    starts, since, until = spans
    a, b = starts[lead], starts[lead + 1]
    return np.concatenate((since[a:b], until[a:b]))


@njit()
def _between(seen: Spans, profile: Spans, required: Spans, out: Spans, absent: Spans) -> tuple[NDArray[np.int64], ...]:
    """starts, since and until of the times in which all holds, and when leads joined."""
    n_leads, n = len(seen[0]) - 1, 0
    most = 2 * (len(seen[1]) + len(profile[1]) + len(required[1]) + len(out[1]) + len(absent[1]))
    begins, joined = np.zeros(n_leads + 1, np.int64), np.full(n_leads, FAR)
    since, until = np.empty(most, np.int64), np.empty(most, np.int64)
    for lead in range(n_leads):
        known = np.concatenate((_edges(seen, lead), _edges(profile, lead), _edges(required, lead)))
        edges = np.unique(np.concatenate((known, _edges(out, lead), _edges(absent, lead))))
        for k in range(len(edges) - 1):
            as_of = edges[k] + 1  # alike up to the next edge
            known_then = _holds(seen, lead, as_of) or _holds(profile, lead, as_of)
            if not (known_then and _holds(required, lead, as_of)):
                continue
            joined[lead] = min(joined[lead], edges[k])
            if not _holds(out, lead, as_of) and not _holds(absent, lead, as_of):
                n = _added(since, until, begins[lead], n, edges[k], edges[k + 1])
        begins[lead + 1] = n
    return begins, since[:n].copy(), until[:n].copy(), joined


@njit()
def _inside(spans: Spans, lead: NDArray[np.int32], as_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    inside = np.empty(len(lead), np.bool_)
    for i in range(len(lead)):
        inside[i] = _holds(spans, lead[i], as_of[i])
    return inside
