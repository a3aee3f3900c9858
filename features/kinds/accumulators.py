"""What a catalogue needs accumulated, numbered in order of first need; a kind says what it reads by asking for it."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from data.contract import US_PER_DAY
from data.vocabulary import Vocabulary

EVER = 2**62
Item = TypeVar("Item")


class Counted(NamedTuple):
    """A column that is a count: a row and a window of the counts."""

    row: int
    window: int


class Touched(NamedTuple):
    """A column that is taken from the first or the last event of a track."""

    track: int


class Operands(NamedTuple):
    """A column that a rule of the kernel computes, by up to three numbers that the rule understands."""

    a: int = 0
    b: int = 0
    c: int = 0


class Around(NamedTuple):
    """A column that is read off a lead's colleagues: a group of events and a window (µs), or a category column."""

    group: int = 0
    window: int = 0
    trait: int = 0


Reading = Counted | Touched | Operands | Around | None
"""How a column is read; None for one that is taken from the profile."""


class Accumulators:
    """The accumulators of a catalogue. What is asked for is there from then on.

    Its number is final when all kinds have asked for all that they need: so each is asked twice, and the second answer
    holds. Groups of events are called by their names in the vocabulary. Raises KeyError for a name that is not there.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.types_apart = False
        self.named: list[str] = []
        self.spans = {EVER}
        self.tracks: list[str] = []
        self.sessions: list[str] = []
        self.days: list[str] = []
        self.values: list[str] = []
        self.tops: list[str] = []
        self.decays: list[tuple[str, float]] = []
        self.pressures: list[tuple[str, str]] = []
        self.around: list[str] = []
        self.traits: list[str] = []

    def types(self) -> None:
        """Counts every event type of the vocabulary apart."""
        self.types_apart = True

    def group(self, events: str) -> int:
        """The row in which events of a group are counted."""
        self.vocabulary.members(events)
        _place(self.named, events)
        return self.groups.index(events)

    def window(self, days: int | None) -> int:
        """The window of so many days; None is ever."""
        span = EVER if days is None else days * US_PER_DAY
        self.spans.add(span)
        return self.windows.index(span)

    def track(self, events: str) -> int:
        """Where the first and the last event of a group are remembered."""
        self.group(events)
        return _place(self.tracks, events)

    def session_row(self, events: str) -> int:
        """The row in which events that open a session are counted."""
        self.track(events)
        return len(self.groups) + _place(self.sessions, events)

    def day_row(self, events: str) -> int:
        """The row in which days with events are counted."""
        self.group(events)
        place = _place(self.days, events)
        return len(self.groups) + len(self.sessions) + place

    def value_row(self, events: str) -> int:
        """The row in which events with a value are counted."""
        place = self.total(events)
        return len(self.groups) + len(self.sessions) + len(self.days) + place

    def total(self, events: str) -> int:
        """Where values are summed."""
        self.group(events)
        return _place(self.values, events)

    def top(self, events: str) -> int:
        """Where the largest values are remembered."""
        self.group(events)
        return _place(self.tops, events)

    def decay(self, events: str, half_life: int) -> tuple[int, int]:
        """Where events are summed that count half after `half_life` days, and the number of that rate."""
        self.group(events)
        rate = 1 / (half_life * US_PER_DAY)
        return _place(self.decays, (events, rate)), self.rates.index(rate)

    def pressure(self, contacts: str, answers: str) -> int:
        """Where contacts are counted that were answered."""
        self.group(contacts)
        self.track(answers)
        return _place(self.pressures, (contacts, answers))

    def around_group(self, events: str) -> int:
        """Where the newest event of a group is remembered of each colleague."""
        self.vocabulary.members(events)
        return _place(self.around, events)

    def trait(self, column: str) -> int:
        """Which category column of colleagues is looked at."""
        return _place(self.traits, column)

    @property
    def groups(self) -> list[str]:
        """Groups in order of their rows; event types stand first where they are told apart."""
        types = self.vocabulary.types if self.types_apart else ()
        return [*types, *(name for name in self.named if name not in types)]

    @property
    def windows(self) -> list[int]:
        """Windows in µs, the shortest first; the last is EVER."""
        return sorted(self.spans)

    @property
    def rates(self) -> list[float]:
        """Half-lives per µs, the slowest first."""
        return sorted({rate for _, rate in self.decays})

    @property
    def nothing(self) -> int:
        """The row of the counts that nobody reads, the last one."""
        return len(self.groups) + len(self.sessions) + len(self.days) + len(self.values)


def _place(known: list[Item], item: Item) -> int:
    """Where an item stands in a list; it is put there when it is new."""
    if item not in known:
        known.append(item)
    return known.index(item)
