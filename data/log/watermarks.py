"""Until when each source is complete: nothing is concluded from the silence of one that has not reached a time yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from data.contract import US_PER_DAY, UsageError

LAG = 2 * US_PER_DAY
"""A source that ends earlier than that before the newest one is named."""


@dataclass(frozen=True)
class Observed:
    """Events of one type from one source; first, last: when they became known, µs UTC."""

    source: str
    event_type: str
    first: int
    last: int


@dataclass(frozen=True)
class Lag:
    """A source that ends more than two days before the newest one; until: µs UTC."""

    source: str
    until: int


@dataclass(frozen=True)
class Watermarks:
    """What was seen of each source, and until when some are stated to be complete (µs UTC)."""

    observed: tuple[Observed, ...] = ()
    stated: Mapping[str, int] = field(default_factory=dict)

    def and_more(self, observed: Iterable[Observed], stated: Mapping[str, int]) -> Watermarks:
        """With another ingest. Raises UsageError where a source is stated to end earlier than it was before."""
        for source, until in stated.items():
            if until < self.stated.get(source, until):
                raise UsageError(
                    f"source {source!r} was complete until a later time already; leave --complete-until out, or "
                    "ingest again into an empty folder"
                )
        by_key = {(row.source, row.event_type): row for row in self.observed}
        for row in observed:
            old = by_key.get((row.source, row.event_type), row)
            widest = min(old.first, row.first), max(old.last, row.last)
            by_key[row.source, row.event_type] = Observed(row.source, row.event_type, *widest)
        return Watermarks(tuple(by_key[key] for key in sorted(by_key)), {**self.stated, **stated})

    def by_source(self, types: Collection[str] | None = None) -> dict[str, int]:
        """Until when each source is complete: stated, else the newest that was known of it. types: sources of these."""
        names = sorted({row.source for row in self.observed if types is None or row.event_type in types})
        newest = {name: max(row.last for row in self.observed if row.source == name) for name in names}
        return {name: self.stated.get(name, newest[name]) for name in names}

    def lagging(self) -> tuple[Lag, ...]:
        """Sources that end more than two days before the newest one."""
        ends = self.by_source()
        return tuple(Lag(name, end) for name, end in ends.items() if end < max(ends.values()) - LAG)
