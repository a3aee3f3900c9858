"""Until when each source is complete: nothing is concluded from the silence of one that has ended.

A source that lags may come again with the next export, so labels wait for it. One that has been silent for much longer
than it ever was has ended: what leads have done there since is not known, which is not the same as nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from data.contract import US_PER_DAY, UsageError
from data.times import iso_day

SHOWN = 5
LAG = 2 * US_PER_DAY
"""A source that ends earlier than that before the newest one is named."""
PATIENCE = 14 * US_PER_DAY
"""A source that has been silent for less has not ended, nor has one that is silent for less than twice its longest
silence before, unless its mapping says how long."""


@dataclass(frozen=True)
class Observed:
    """Events of one type from one source; first, last: when they became known, µs UTC; events: how many were told.

    A log that was made before they were counted begins at 0.
    """

    source: str
    event_type: str
    first: int
    last: int
    events: int = 0

    def and_more(self, other: Observed) -> Observed:
        """Both together."""
        widest = min(self.first, other.first), max(self.last, other.last)
        return Observed(self.source, self.event_type, *widest, self.events + other.events)


@dataclass(frozen=True)
class Lag:
    """A source that ends more than two days before the newest one; until: µs UTC."""

    source: str
    until: int


@dataclass(frozen=True)
class Unobserved:
    """An event type all of whose sources have ended; since: from when on nothing is known of it, µs UTC."""

    event_type: str
    since: int


@dataclass(frozen=True)
class Watermarks:
    """What was seen of each source, and until when some are stated to be complete (µs UTC).

    silences: the longest time (µs) in which each source had no event, at least: a later export may have filled it.
    patience: after how much silence (µs) some are stated to have ended.
    """

    observed: tuple[Observed, ...] = ()
    stated: Mapping[str, int] = field(default_factory=dict)
    silences: Mapping[str, int] = field(default_factory=dict)
    patience: Mapping[str, int] = field(default_factory=dict)

    def and_more(
        self,
        observed: Iterable[Observed],
        stated: Mapping[str, int],
        silences: Mapping[str, int] | None = None,
        patience: Mapping[str, int] | None = None,
    ) -> Watermarks:
        """With another ingest. Raises UsageError where a source is stated to end earlier than it was before."""
        for source, until in stated.items():
            if until < self.stated.get(source, until):
                raise UsageError(
                    f"source {source!r} was complete until a later time already, {iso_day(self.stated[source])}; leave "
                    "--complete-until out, or ingest again into an empty folder"
                )
        by_key, observed = {(row.source, row.event_type): row for row in self.observed}, list(observed)
        for row in observed:
            old = by_key.get((row.source, row.event_type))
            by_key[row.source, row.event_type] = old.and_more(row) if old else row
        rows = tuple(by_key[key] for key in sorted(by_key))
        longest = {**self.silences}
        for source, silence in (silences or {}).items():
            between = _apart(_span(self.observed, source), _span(observed, source))
            longest[source] = max(longest.get(source, 0), silence, between)
        return Watermarks(rows, {**self.stated, **stated}, longest, {**self.patience, **(patience or {})})

    def without(self, sources: Collection[str]) -> Watermarks:
        """Without all that was seen and stated of some sources."""
        rows = tuple(row for row in self.observed if row.source not in sources)
        stated, silences, patience = (
            {source: value for source, value in of.items() if source not in sources}
            for of in (self.stated, self.silences, self.patience)
        )
        return Watermarks(rows, stated, silences, patience)

    def told_only_by(self, sources: Collection[str]) -> set[str]:
        """Event types that no other source told of."""
        theirs, others = (
            {row.event_type for row in self.observed if (row.source in sources) is of_them} for of_them in (True, False)
        )
        return theirs - others

    def events_by_type(self) -> Counter[str]:
        """How many events of each type were told."""
        counts = Counter[str]()
        for row in self.observed:
            counts[row.event_type] += row.events
        return counts

    def by_source(self, types: Collection[str] | None = None) -> dict[str, int]:
        """Until when each source is complete: stated, else the newest that was known of it. types: sources of these."""
        names = sorted({row.source for row in self.observed if types is None or row.event_type in types})
        newest = {name: max(row.last for row in self.observed if row.source == name) for name in names}
        return {name: self.stated.get(name, newest[name]) for name in names}

    def lagging(self) -> tuple[Lag, ...]:
        """Sources that end more than two days before the newest one."""
        ends = self.by_source()
        return tuple(Lag(name, end) for name, end in ends.items() if end < max(ends.values()) - LAG)

    def lags_in_words(self) -> list[str]:
        """What it means that some lag, a sentence for each."""
        newest = max(self.by_source().values(), default=0)
        return [
            f"source {lag.source!r} ends on {iso_day(lag.until)}, others go on until {iso_day(newest)}: what it would "
            "have told since is unknown; export it too, or say --complete-until"
            for lag in self.lagging()
        ]

    def unheard_in_words(self, sources: Collection[str]) -> list[str]:
        """Of sources that were stated to be complete those that have told of nothing, where others have."""
        known = sorted({row.source for row in self.observed})
        return [
            f"source {name!r} has told of no event yet, so that it makes nothing complete; the log knows "
            f"{', '.join(map(repr, known[:SHOWN]))}{' …' if len(known) > SHOWN else ''}: correct --complete-until if "
            "one of these is meant"
            for name in sources
            if known and name not in known
        ]

    def unobserved(self) -> tuple[Unobserved, ...]:
        """Event types that nothing is known of any more, and since when.

        A log that was made before silences were noted says nothing, unless its mapping does.
        """
        ends, until = self.by_source(), dict[str, int]()
        for source in ends.keys() & (self.silences.keys() | self.patience.keys()):
            until[source] = ends[source] + self.patience.get(source, max(PATIENCE, 2 * self.silences.get(source, 0)))
        ended = {source for source, end in until.items() if end < max(ends.values())}
        sources: dict[str, set[str]] = {}
        for row in self.observed:
            sources.setdefault(row.event_type, set()).add(row.source)
        return tuple(
            Unobserved(kind, max(until[source] for source in of)) for kind, of in sources.items() if of <= ended
        )


def _span(observed: Iterable[Observed], source: str) -> tuple[int, int] | None:
    rows = [row for row in observed if row.source == source]
    return (min(row.first for row in rows), max(row.last for row in rows)) if rows else None


def _apart(one: tuple[int, int] | None, other: tuple[int, int] | None) -> int:
    """The time between two spans that do not meet."""
    return max(0, one[0] - other[1], other[0] - one[1]) if one and other else 0
