"""What a catalogue compiles to: flat arrays that the kernel reads instead of definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY, UsageError
from data.vocabulary import ANY, Vocabulary
from features.definitions import (
    ActiveDays,
    Age,
    Cadence,
    Count,
    Decayed,
    Definition,
    DistinctTypes,
    FirstTouch,
    IgnoredInRow,
    LastTouch,
    Max,
    Mean,
    Profile,
    ProfileNumber,
    Recency,
    Sessions,
    Sum,
    Trend,
)

EVER = 2**62
LONGEST = 36_500
"""Days in the longest window."""
COUNT, SUM, MEAN, MAX, RECENCY, AGE, DECAYED, TREND, CADENCE, IGNORED = range(10)
DAY_ROW, SESSION_ROW, VALUED_ROW, TOTAL_ROW, TOP_ROW, DECAY_FROM, DECAY_TO = range(7)


class Instructions(NamedTuple):
    """The compiled plan. An event type's code is its place in the vocabulary; the last code means unknown.

    windows: int64[W], µs, ascending, the last one is EVER.
    group_start, group_ids: int32, the groups that an event type belongs to (compressed rows).
    groups: int32[G, 7], what is kept of a group besides its count: rows of the accumulators, -1 for none,
        in the columns DAY_ROW … DECAY_TO.
    member: bool[T + 1, G], whether events of a type belong to a group.
    decay_rate: float64[D], half-lives per µs.
    pressures: int32[P, 2], groups of contacts and answers.
    ops: int32[N, 4], one instruction per number column: what to read, and up to three operands.
    sizes: int32[4], rows of counts, totals, day_event + opens, and top. first_day_row: where days begin in counts.
    types: how many groups, the first ones, are event types to be told apart; 0 when no definition asks.
    """

    windows: NDArray[np.int64]
    group_start: NDArray[np.int32]
    group_ids: NDArray[np.int32]
    groups: NDArray[np.int32]
    member: NDArray[np.bool_]
    decay_rate: NDArray[np.float64]
    pressures: NDArray[np.int32]
    ops: NDArray[np.int32]
    sizes: NDArray[np.int32]
    first_day_row: int
    types: int


@dataclass(frozen=True)
class Plan:
    """A compiled catalogue: definitions in column order, and the instructions for the numbers among them.

    touch_group: int32, the group of each FirstTouch and LastTouch, in column order.
    """

    definitions: tuple[Definition, ...]
    vocabulary: Vocabulary
    instructions: Instructions
    touch_group: NDArray[np.int32]

    def codes(self, types: Sequence[str]) -> NDArray[np.int32]:
        """int32[len(types)]: the code of each of a log's event types in this plan's vocabulary."""
        known = self._known
        return np.array([known.get(name, len(known)) for name in types], dtype=np.int32)

    @cached_property
    def _known(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.vocabulary.types)}


def compile_plan(definitions: Sequence[Definition], vocabulary: Vocabulary) -> Plan:
    """Compiles definitions for a vocabulary.

    Raises UsageError when a definition names events that the vocabulary does not have, a window that is not
    positive, or when two definitions derive the same column name.
    """
    names = [each.name for each in definitions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"feature {twice[0]!r} is defined twice; remove one of them")
    for each in definitions:
        _check_days(each)
    return _Compiler(vocabulary, definitions).plan()


class _Compiler:
    """Collects the windows, groups and rows that definitions need, in order of first need.

    `counts` has a row per group, then a row per session group, per active-day group, per valued group, and
    one for distinct types; which rows exist is known only at the end, so operands name them until then.
    """

    def __init__(self, vocabulary: Vocabulary, definitions: Sequence[Definition]) -> None:
        self.vocabulary = vocabulary
        self.definitions = tuple(definitions)
        self.windows = sorted({_days(days) for each in definitions for days in _windows(each)} | {EVER})
        self.distinct = any(isinstance(each, DistinctTypes) for each in definitions)
        self.groups = list(vocabulary.types) if self.distinct else []
        self.kept: dict[str, list[int]] = {"session": [], "day": [], "value": [], "top": []}
        self.decays: list[tuple[int, float]] = []
        self.pressures: list[tuple[int, int]] = []

    def plan(self) -> Plan:
        touches = [each for each in self.definitions if isinstance(each, FirstTouch | LastTouch)]
        touch_group = _int32([self.group(each.events, each) for each in touches])
        others = (FirstTouch, LastTouch, Profile, ProfileNumber)
        numbers = [each for each in self.definitions if not isinstance(each, others)]
        for each in numbers:
            self.need(each)
        return Plan(self.definitions, self.vocabulary, self.instructions(numbers), touch_group)

    def need(self, each: Definition) -> None:
        """Notes what has to be accumulated for a definition."""
        match each:
            case Sum() | Mean():
                self.keep("value", each)
            case Max():
                self.keep("top", each)
            case ActiveDays():
                self.keep("day", each)
            case Sessions():
                self.keep("session", each)
            case Decayed():
                self.decays.append((self.group(each.events, each), float(_days(each.half_life))))
            case IgnoredInRow():
                self.pressures.append((self.group(each.contacts, each), self.group(each.answers, each)))
            case Count() | Recency() | Trend() | Cadence():
                self.group(each.events, each)

    def operation(self, each: Definition) -> tuple[int, ...]:
        """The instruction that reads a definition's value off the accumulators."""
        match each:
            case Count():
                return COUNT, self.group(each.events, each), self.window(each.days)
            case Sessions():
                return COUNT, self.row("session", each), self.window(each.days)
            case ActiveDays():
                return COUNT, self.row("day", each), self.window(each.days)
            case DistinctTypes():
                return COUNT, self.n_rows - 1, self.window(each.days)
            case Sum():
                return SUM, self.place("value", each), self.window(each.days)
            case Mean():
                return MEAN, self.place("value", each), self.window(each.days), self.row("value", each)
            case Max():
                return MAX, self.place("top", each), self.window(each.days)
            case Recency():
                return RECENCY, self.group(each.events, each)
            case Age():
                return (AGE,)
            case Decayed():
                decay = (self.group(each.events, each), float(_days(each.half_life)))
                return DECAYED, self.decays.index(decay), decay[0]
            case Trend():
                return TREND, self.group(each.events, each), self.window(each.short), self.window(each.long)
            case Cadence():
                return CADENCE, self.group(each.events, each), self.window(None)
            case IgnoredInRow():
                pressure = (self.group(each.contacts, each), self.group(each.answers, each))
                return IGNORED, self.pressures.index(pressure)
        raise UsageError(f"feature {each!r} is of no kind that the kernel knows; see features/definitions.py")

    def group(self, events: str, each: Definition) -> int:
        try:
            self.vocabulary.members(events)
        except KeyError:
            known = ", ".join((ANY, *self.vocabulary.groups, *self.vocabulary.types))
            raise UsageError(f"feature {each.name!r} names events {events!r}; known are: {known}") from None
        if events not in self.groups:
            self.groups.append(events)
        return self.groups.index(events)

    def window(self, days: int | None) -> int:
        return self.windows.index(_days(days))

    def keep(self, kind: str, each: Sum | Mean | Max | ActiveDays | Sessions) -> None:
        group = self.group(each.events, each)
        if group not in self.kept[kind]:
            self.kept[kind].append(group)

    def place(self, kind: str, each: Sum | Mean | Max | ActiveDays | Sessions) -> int:
        return self.kept[kind].index(self.group(each.events, each))

    def row(self, kind: str, each: Mean | ActiveDays | Sessions) -> int:
        return self.first_row(kind) + self.place(kind, each)

    def first_row(self, kind: str) -> int:
        before = {"session": (), "day": ("session",), "value": ("session", "day")}[kind]
        return len(self.groups) + sum(len(self.kept[each]) for each in before)

    @property
    def n_rows(self) -> int:
        return self.first_row("value") + len(self.kept["value"]) + 1

    def group_row(self, group: int) -> list[int]:
        """One row of Instructions.groups."""

        def row(kind: str, first: int) -> int:
            return first + self.kept[kind].index(group) if group in self.kept[kind] else -1

        decays = [k for k, (of, _) in enumerate(self.decays) if of == group]
        return [
            row("day", self.first_row("day")),
            row("session", self.first_row("session")),
            row("value", self.first_row("value")),
            row("value", 0),
            row("top", 0),
            decays[0] if decays else 0,
            decays[-1] + 1 if decays else 0,
        ]

    def member(self) -> NDArray[np.bool_]:
        types = self.vocabulary.types
        table = [[name in self.vocabulary.members(group) for group in self.groups] for name in types]
        table.append([group == ANY for group in self.groups])
        return np.array(table, dtype=np.bool_).reshape(len(types) + 1, len(self.groups))

    def instructions(self, numbers: Sequence[Definition]) -> Instructions:
        self.decays.sort(key=lambda decay: decay[0])
        member = self.member()
        kept = {kind: len(groups) for kind, groups in self.kept.items()}
        ops = [[*op, 0, 0, 0][:4] for op in map(self.operation, numbers)]
        return Instructions(
            windows=np.array(self.windows, dtype=np.int64),
            group_start=np.concatenate([[0], np.cumsum(member.sum(axis=1))]).astype(np.int32),
            group_ids=np.nonzero(member)[1].astype(np.int32),
            groups=_int32([self.group_row(group) for group in range(len(self.groups))]).reshape(-1, 7),
            member=member,
            decay_rate=np.array([1 / half_life for _, half_life in self.decays], dtype=np.float64),
            pressures=_int32(self.pressures).reshape(-1, 2),
            ops=_int32(ops).reshape(-1, 4),
            sizes=_int32([self.n_rows, kept["value"], max(kept["day"], kept["session"]), kept["top"]]),
            first_day_row=self.first_row("day"),
            types=len(self.vocabulary.types) if self.distinct else 0,
        )


def _windows(each: Definition) -> list[int | None]:
    if isinstance(each, Trend):
        return [each.short, each.long]
    return [each.days] if hasattr(each, "days") else []


def _days(days: int | None) -> int:
    return EVER if days is None else days * US_PER_DAY


def _check_days(each: Definition) -> None:
    for key in ("days", "half_life", "short", "long"):
        days = getattr(each, key, None)
        if days is not None and not 0 < days <= LONGEST:
            raise UsageError(f"feature {each.name!r}: {key} = {days} must be 1 to {LONGEST} days")
    if isinstance(each, Trend) and each.short >= each.long:
        raise UsageError(f"feature {each.name!r}: short = {each.short} must be less than long = {each.long}")


def _int32(numbers: Sequence[int] | Sequence[Sequence[int]]) -> NDArray[np.int32]:
    return np.array(numbers, dtype=np.int32)
