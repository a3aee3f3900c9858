"""Whose an event is at each time: of what was said of it last, the leads; of one that is an alias then, its owner.

Where the same lead would have it twice, since two leads of a shared event became one, what was said of itself counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR
from data.judging.verdicts import RETRACTED
from data.log.identities import NOBODY, Owners

Spans = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Hash of the lead that has an event, since when and until when (µs UTC), and which version it is."""


@njit()
def spans_of(content: NDArray[np.uint64], lead: NDArray[np.uint64], at: NDArray[np.int64], owners: Owners) -> Spans:
    """Who has an event when. Each version is a content, a lead and a time; those of one time are one statement."""
    order, edges = np.argsort(at, kind="mergesort"), _edges(lead, at, owners)
    room = len(edges) * len(at)
    holder, version = np.empty(room, np.uint64), np.empty(room, np.int64)
    since, until = np.empty(room, np.int64), np.empty(room, np.int64)
    n, last = 0, -1
    for k in range(len(edges)):
        end = edges[k + 1] if k + 1 < len(edges) else FAR
        while last + 1 < len(at) and at[order[last + 1]] <= edges[k]:
            last += 1
        first = last
        while first > 0 and at[order[first - 1]] == at[order[last]]:
            first -= 1
        begin = n
        for v in order[first : last + 1]:
            owner = _owner(lead[v], edges[k], owners)
            if content[v] == RETRACTED or owner == NOBODY:
                continue
            place = begin
            while place < n and holder[place] != owner:
                place += 1
            if place == n:
                holder[n], since[n], until[n], version[n] = owner, edges[k], end, v
                n += 1
            elif lead[v] == owner or (lead[version[place]] != owner and lead[v] < lead[version[place]]):
                version[place] = v
        n = _joined(holder, since, until, version, begin, n)
    return holder[:n], since[:n], until[:n], version[:n]


@njit()
def _joined(
    holder: NDArray[np.uint64],
    since: NDArray[np.int64],
    until: NDArray[np.int64],
    version: NDArray[np.int64],
    begin: int,
    end: int,
) -> int:
    """Lets spans before `begin` go on where those from there to `end` are the same version of the same lead."""
    n = begin
    for i in range(begin, end):
        same = 0
        while same < begin and not (
            until[same] == since[i] and holder[same] == holder[i] and version[same] == version[i]
        ):
            same += 1
        if same < begin:
            until[same] = until[i]
        else:
            holder[n], since[n], until[n], version[n] = holder[i], since[i], until[i], version[i]
            n += 1
    return n


@njit()
def _edges(lead: NDArray[np.uint64], at: NDArray[np.int64], owners: Owners) -> NDArray[np.int64]:
    """Times at which it may change who has an event."""
    edges = [at[0]]
    for i in range(len(at)):
        edges.append(at[i])
        begin, end = _steps(lead[i], owners)
        for k in range(begin, end):
            if owners.since[k] > at[i]:
                edges.append(owners.since[k])
    return np.unique(np.array(edges))


@njit()
def _steps(lead: int, owners: Owners) -> tuple[int, int]:
    place = np.searchsorted(owners.alias, lead)
    if place == len(owners.alias) or owners.alias[place] != lead:
        return 0, 0
    return owners.starts[place], owners.starts[place + 1]


@njit()
def _owner(lead: int, at: int, owners: Owners) -> int:
    owner = lead
    begin, end = _steps(lead, owners)
    for k in range(begin, end):
        if owners.since[k] <= at:
            owner = owners.owner[k]
    return owner
