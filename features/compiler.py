"""Compiles a catalogue: which accumulators its definitions need, how a column is read off them, and when it is missing.

A number is missing from when on the sources of its events have ended, see data/log/watermarks.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.contract import UsageError
from data.histories import Named
from data.log.watermarks import Unobserved
from data.vocabulary import ANY, NAMING, Vocabulary
from features.kinds import (
    KINDS,
    ColleagueRecency,
    Colleagues,
    ColleaguesActive,
    ColleagueSpread,
    Definition,
)
from features.kinds.accumulators import Accumulators, Around, Counted, Operands, Reading, Touched
from features.kinds.definition import EVENT_FIELDS
from features.plan import Plan
from features.walk.companies import ACTIVE, COUNT, RECENCY, SPREAD, AroundPlan
from features.walk.instructions import Instructions

LOOKS: Mapping[type[Definition], int] = {
    Colleagues: COUNT,
    ColleaguesActive: ACTIVE,
    ColleagueRecency: RECENCY,
    ColleagueSpread: SPREAD,
}
"""How the walk around a lead reads each kind."""


def compile_plan(
    definitions: Sequence[Definition], vocabulary: Vocabulary, unobserved: Sequence[Unobserved] = ()
) -> Plan:
    """Compiles definitions for a vocabulary; numbers made of events that are unobserved are missing from then on.

    Raises UsageError when a definition names events that the vocabulary does not have, a window that is not
    positive, or when two definitions derive the same column name.
    """
    names = [definition.name for definition in definitions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"feature {twice[0]!r} is defined twice; remove one of them")
    for definition in definitions:
        definition.check()
        _check_events(definition, vocabulary)
    needed = Accumulators(vocabulary)
    instructions, since = _instructions(definitions, needed), {row.event_type: row.since for row in unobserved}
    numbers = [definition for definition, _ in _numbers(definitions, needed)] if since else []
    ends = enumerate(_end(definition, vocabulary, since) for definition in numbers)
    known = {place: end for place, end in ends if end is not None}
    return Plan(tuple(definitions), vocabulary, instructions, known, _around(definitions, needed), _naming(needed))


def looks_around(definitions: Sequence[Definition]) -> bool:
    """Whether any of them needs to know of companies."""
    return any(type(definition) in LOOKS for definition in definitions)


def _end(definition: Definition, vocabulary: Vocabulary, since: Mapping[str, int]) -> int | None:
    """From when on one of the groups that a feature is made of has no type any more that is observed."""
    groups = {getattr(definition, field, ANY) for field in EVENT_FIELDS} - {ANY, *NAMING}
    types = [members for group in groups if (members := vocabulary.members(group))]
    return min((max(since[name] for name in members) for members in types if {*members} <= since.keys()), default=None)


def _check_events(definition: Definition, vocabulary: Vocabulary) -> None:
    for field in EVENT_FIELDS:
        events = getattr(definition, field, ANY)
        if events in NAMING and type(definition) in LOOKS:
            raise UsageError(
                f"feature {definition.name!r}: colleagues are not looked at by {events}; name a group or a type"
            )
        try:
            vocabulary.members(events)
        except KeyError:
            known = ", ".join((ANY, *vocabulary.groups, *vocabulary.types, *NAMING))
            raise UsageError(f"feature {definition.name!r} names events {events!r}; known are: {known}") from None


def _instructions(definitions: Sequence[Definition], needed: Accumulators) -> Instructions:
    for definition in definitions:
        definition.read(needed)
    readings = [definition.read(needed) for definition in definitions]
    numbers = _numbers(definitions, needed)
    groups, member = needed.groups, _member(needed.vocabulary, needed.groups, _naming(needed))
    decays = [(groups.index(events), needed.rates.index(rate)) for events, rate in needed.decays]
    decaying = _listed(member[:, [group for group, _ in decays]], len(decays))
    sessions = [(groups.index(events), needed.tracks.index(events)) for events in needed.sessions]
    pressures = [(groups.index(contacts), needed.tracks.index(answers)) for contacts, answers in needed.pressures]
    return Instructions(
        windows=np.array(needed.windows, dtype=np.int64),
        member=member,
        rows=_listed(member, needed.nothing),
        tracks=_listed(member[:, _rows(needed.tracks, groups)], len(needed.tracks)),
        sessions=_uint32(sessions, 2),
        days=_uint32(_rows(needed.days, groups)),
        values=_uint32(_rows(needed.values, groups)),
        tops=_uint32(_rows(needed.tops, groups)),
        rates=np.array(needed.rates, dtype=np.float64),
        decays=_uint32([rate for _, rate in decays] + [0] * decaying.shape[1]),
        decaying=decaying,
        pressures=_uint32(pressures, 2),
        touches=_uint32([reading.track for reading in readings if isinstance(reading, Touched)]),
        counted=_counted(numbers),
        ops=_ops(numbers),
        types=len(needed.vocabulary.types) if needed.types_apart else 0,
        nothing=needed.nothing,
        tracked=len(needed.tracks),
    )


def _numbers(definitions: Sequence[Definition], needed: Accumulators) -> list[tuple[Definition, Reading]]:
    """Definitions that are computed, and not looked up, in the order of their columns."""
    readings = [(definition, definition.read(needed)) for definition in definitions]
    computed = Counted | Operands | Around
    return [(definition, reading) for definition, reading in readings if isinstance(reading, computed)]


def _around(definitions: Sequence[Definition], needed: Accumulators) -> AroundPlan | None:
    """What is read off colleagues, where anything is."""
    numbers = enumerate(_numbers(definitions, needed))
    rows = [(column, LOOKS[type(what)], reading) for column, (what, reading) in numbers if isinstance(reading, Around)]
    if not rows:
        return None
    ops = np.array([(look, *reading) for _, look, reading in rows], np.int64)
    columns = np.array([column for column, _, _ in rows], np.int64)
    return AroundPlan(columns, ops, _member(needed.vocabulary, needed.around)[:-1], tuple(needed.traits))


def _counted(numbers: Sequence[tuple[Definition, Reading]]) -> NDArray[np.uint32]:
    """Column, row and window of columns that are counts."""
    readings = enumerate(reading for _, reading in numbers)
    return _uint32([(column, *reading) for column, reading in readings if isinstance(reading, Counted)], 3)


def _ops(numbers: Sequence[tuple[Definition, Reading]]) -> NDArray[np.uint32]:
    """Column, kind and operands of the other ones."""
    return _uint32(
        [
            (column, _code(definition), *reading)
            for column, (definition, reading) in enumerate(numbers)
            if isinstance(reading, Operands)
        ],
        5,
    )


def _code(definition: Definition) -> int:
    if type(definition) not in KINDS:
        raise UsageError(
            f"{type(definition).__name__} is no kind that the kernel knows: add it to KINDS in features/kinds"
        )
    return KINDS.index(type(definition))


def _rows(names: Sequence[str], groups: Sequence[str]) -> list[int]:
    return [groups.index(name) for name in names]


def _naming(needed: Accumulators) -> tuple[Named, ...]:
    """By what events are told apart beside their type."""
    return tuple(name for group, name in NAMING.items() if group in needed.groups)


def _member(vocabulary: Vocabulary, groups: Sequence[str], naming: Sequence[Named] = ()) -> NDArray[np.bool_]:
    """Whether events of a code belong to a group; after the types the unknown ones, which are any; last bots, none.

    Types and unknown ones come once for each way in which an event may name a campaign or an asset.
    """
    table = [[False] * len(groups)]
    for way in reversed(range(2 ** len(naming))):
        named = {name for place, name in enumerate(naming) if way >> place & 1}
        table = [
            [_holds(vocabulary, group, kind, named) for group in groups] for kind in (*vocabulary.types, None)
        ] + table
    return np.array(table, dtype=np.bool_).reshape(len(table), len(groups))


def _holds(vocabulary: Vocabulary, group: str, kind: str | None, named: Collection[str]) -> bool:
    """Whether events of a type (None: of an unknown one) that name something belong to a group."""
    if group in NAMING:
        return NAMING[group] in named
    return group == ANY or kind in vocabulary.members(group)


def _listed(member: NDArray[np.bool_], nothing: int) -> NDArray[np.uint32]:
    """Which columns are true, row by row, filled up to equal length with numbers from `nothing` on."""
    length = int(member.sum(axis=1).max(initial=0))
    places = [[*np.flatnonzero(row), *range(nothing + row.sum(), nothing + length)] for row in member]
    return np.array(places, dtype=np.uint32).reshape(len(member), length)


def _uint32(numbers: Sequence[int] | Sequence[Sequence[int]], width: int = 0) -> NDArray[np.uint32]:
    """Unsigned, because Numba asks of a signed index whether it counts from the end."""
    array = np.array(numbers, dtype=np.uint32)
    return array.reshape(-1, width) if width else array
