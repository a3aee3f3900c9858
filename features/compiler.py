"""Compiles a catalogue: which windows, groups and tracks its definitions need, and how each is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from features.plan import (
    AGE,
    CADENCE,
    DECAYED,
    DISTINCT,
    EVER,
    IGNORED,
    LONGEST,
    MAX,
    MEAN,
    RECENCY,
    SUM,
    TREND,
    Instructions,
    Plan,
)


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
    """Collects the windows, groups and rows that definitions need, in order of first need."""

    def __init__(self, vocabulary: Vocabulary, definitions: Sequence[Definition]) -> None:
        self.vocabulary = vocabulary
        self.definitions = tuple(definitions)
        self.windows = sorted({_days(days) for each in definitions for days in _windows(each)} | {EVER})
        self.distinct = any(isinstance(each, DistinctTypes) for each in definitions)
        self.groups = list(vocabulary.types) if self.distinct else []
        self.tracked: list[int] = []
        self.kept: dict[str, list[int]] = {"session": [], "day": [], "value": [], "top": []}
        self.decays: list[tuple[int, float]] = []
        self.pressures: list[tuple[int, int]] = []

    def plan(self) -> Plan:
        touches = [
            self.track(each.events, each) for each in self.definitions if isinstance(each, FirstTouch | LastTouch)
        ]
        others = (FirstTouch, LastTouch, Profile, ProfileNumber)
        numbers = [each for each in self.definitions if not isinstance(each, others)]
        for each in numbers:
            self.need(each)
        return Plan(self.definitions, self.vocabulary, self.instructions(numbers, touches))

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
                self.track(each.events, each)
            case Decayed():
                decay = self.decay(each)
                if decay not in self.decays:
                    self.decays.append(decay)
            case IgnoredInRow():
                self.pressures.append(self.pressure(each))
            case Recency() | Cadence():
                self.track(each.events, each)
            case Count() | Trend():
                self.group(each.events, each)

    def operation(self, each: Definition) -> tuple[int, ...]:
        """The instruction that reads a definition's value off the accumulators."""
        match each:
            case DistinctTypes():
                return DISTINCT, self.window(each.days)
            case Sum():
                return SUM, self.place("value", each), self.window(each.days)
            case Mean():
                return MEAN, self.place("value", each), self.window(each.days), self.row("value", each)
            case Max():
                return MAX, self.place("top", each), self.window(each.days)
            case Recency():
                return RECENCY, self.track(each.events, each)
            case Age():
                return (AGE,)
            case Decayed():
                place = self.decays.index(self.decay(each))
                return DECAYED, place, self.rates.index(self.decays[place][1])
            case Trend():
                return TREND, self.group(each.events, each), self.window(each.short), self.window(each.long)
            case Cadence():
                return CADENCE, self.group(each.events, each), self.window(None), self.track(each.events, each)
            case IgnoredInRow():
                return IGNORED, self.pressures.index(self.pressure(each))
        raise UsageError(f"feature {each!r} is of no kind that the kernel knows; see features/definitions.py")

    def count(self, each: Definition) -> tuple[int, int] | None:
        """Row and window of a definition that is a count, None for others."""
        match each:
            case Count():
                return self.group(each.events, each), self.window(each.days)
            case Sessions():
                return self.row("session", each), self.window(each.days)
            case ActiveDays():
                return self.row("day", each), self.window(each.days)
        return None

    def group(self, events: str, each: Definition) -> int:
        try:
            self.vocabulary.members(events)
        except KeyError:
            known = ", ".join((ANY, *self.vocabulary.groups, *self.vocabulary.types))
            raise UsageError(f"feature {each.name!r} names events {events!r}; known are: {known}") from None
        return _place(self.groups, events)

    def track(self, events: str, each: Definition) -> int:
        return _place(self.tracked, self.group(events, each))

    def decay(self, each: Decayed) -> tuple[int, float]:
        return self.group(each.events, each), 1 / _days(each.half_life)

    def pressure(self, each: IgnoredInRow) -> tuple[int, int]:
        return self.group(each.contacts, each), self.track(each.answers, each)

    def window(self, days: int | None) -> int:
        return self.windows.index(_days(days))

    def keep(self, kind: str, each: Sum | Mean | Max | ActiveDays | Sessions) -> None:
        _place(self.kept[kind], self.group(each.events, each))

    def place(self, kind: str, each: Sum | Mean | Max | ActiveDays | Sessions) -> int:
        return self.kept[kind].index(self.group(each.events, each))

    def row(self, kind: str, each: Mean | ActiveDays | Sessions) -> int:
        before = {"session": (), "day": ("session",), "value": ("session", "day")}[kind]
        return len(self.groups) + sum(len(self.kept[other]) for other in before) + self.place(kind, each)

    @property
    def rates(self) -> list[float]:
        return sorted({rate for _, rate in self.decays})

    @property
    def nothing(self) -> int:
        """The last row of the counts."""
        return len(self.groups) + sum(len(self.kept[kind]) for kind in ("session", "day", "value"))

    def member(self) -> NDArray[np.bool_]:
        types = self.vocabulary.types
        table = [[name in self.vocabulary.members(group) for group in self.groups] for name in types]
        table += [[group == ANY for group in self.groups], [False for _ in self.groups]]
        return np.array(table, dtype=np.bool_).reshape(len(types) + 2, len(self.groups))

    def instructions(self, numbers: Sequence[Definition], touches: Sequence[int]) -> Instructions:
        member = self.member()
        counts = [(column, *found) for column, each in enumerate(numbers) if (found := self.count(each))]
        others = [(column, each) for column, each in enumerate(numbers) if self.count(each) is None]
        ops = [[column, *self.operation(each), 0, 0, 0][:5] for column, each in others]
        decays = [(group, self.rates.index(rate)) for group, rate in self.decays]
        decaying = _listed(member[:, [group for group, _ in decays]], len(decays))
        return Instructions(
            windows=np.array(self.windows, dtype=np.int64),
            member=member,
            rows=_listed(member, self.nothing),
            tracks=_listed(member[:, self.tracked], len(self.tracked)),
            sessions=_uint32([(group, self.tracked.index(group)) for group in self.kept["session"]], 2),
            days=_uint32(self.kept["day"]),
            values=_uint32(self.kept["value"]),
            tops=_uint32(self.kept["top"]),
            rates=np.array(self.rates, dtype=np.float64),
            decays=_uint32([rate for _, rate in decays] + [0] * decaying.shape[1]),
            decaying=decaying,
            pressures=_uint32(self.pressures, 2),
            touches=_uint32(touches),
            counted=_uint32(counts, 3),
            ops=_uint32(ops, 5),
            types=len(self.vocabulary.types) if self.distinct else 0,
            nothing=self.nothing,
            tracked=len(self.tracked),
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


def _place(known: list[Any], each: Any) -> int:
    """Where something stands in a list; it is put there when it is new."""
    if each not in known:
        known.append(each)
    return known.index(each)


def _listed(member: NDArray[np.bool_], nothing: int) -> NDArray[np.uint32]:
    """Which columns are true, row by row, filled up to equal length with numbers from `nothing` on."""
    length = int(member.sum(axis=1).max(initial=0))
    found = [[*np.flatnonzero(row), *range(nothing + row.sum(), nothing + length)] for row in member]
    return np.array(found, dtype=np.uint32).reshape(len(member), length)


def _uint32(numbers: Sequence[int] | Sequence[Sequence[int]], width: int = 0) -> NDArray[np.uint32]:
    """Unsigned, because Numba asks of a signed index whether it counts from the end."""
    array = np.array(numbers, dtype=np.uint32)
    return array.reshape(-1, width) if width else array
