"""A feature is a value: `Count("page_view", days=7)`. Its column name, words and meaning derive from it.

What all definitions share. A moment is (lead, as_of). Only visible events count: `known_at < as_of`, where
`known_at = max(occurred_at, received_at)`. A window of d days holds the visible events with
`occurred_at >= as_of - d days`; `days=None` means ever. `events` names an event type, a group of the
vocabulary, or `any` (every event, also of types the vocabulary does not know). Events labelled as bots do not count.
Days are calendar days in UTC. "Missing" is NaN for numbers and null for categories.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Literal

Kind = Literal["number", "category"]
Family = Literal["fit", "engagement"]


@dataclass(frozen=True)
class Definition:
    """What every feature has: a column name derived from its own fields, a kind and a family."""

    kind: ClassVar[Kind] = "number"
    family: ClassVar[Family] = "engagement"

    @cached_property
    def name(self) -> str:
        """Column name, unique per definition, e.g. `count_page_view_7d`."""
        parts = [_snake(type(self).__name__)]
        parts += [_part(each.name, getattr(self, each.name)) for each in fields(self)]
        return "_".join(parts)


@dataclass(frozen=True)
class Count(Definition):
    """Number of events in the window.

    >>> Count("page_view", days=7).name
    'count_page_view_7d'
    """

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Sum(Definition):
    """Sum of `value` over the events in the window that have one; 0 when none has.

    Exact: each value is rounded to a ten-thousandth (ties to even) and added as a whole number of them.
    """

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Mean(Definition):
    """`Sum` divided by the number of events in the window that have a value; missing when none has."""

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Max(Definition):
    """Largest `value` (rounded to a ten-thousandth) of the events in the window; missing when none has one."""

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Recency(Definition):
    """Days (with fraction) since the latest `occurred_at` among the events; missing when there is none."""

    events: str


@dataclass(frozen=True)
class Age(Definition):
    """Days since the lead was first heard of; missing when it has not been.

    The earlier of the earliest `occurred_at` among visible events (bots included) and the first
    profile version's `valid_from`, if that version is visible.
    """


@dataclass(frozen=True)
class ActiveDays(Definition):
    """Number of distinct calendar days (UTC) of the events in the window."""

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Sessions(Definition):
    """Number of visits: events in the window that open a session.

    Taking the lead's matching events in the order of the log (by known_at, then occurred_at, …), an event
    opens a session when it occurred more than 30 minutes after every matching event before it.
    Hence an event that arrives late never opens one.
    """

    events: str
    days: int | None = None


@dataclass(frozen=True)
class Decayed(Definition):
    """Sum over all visible events of 2 ** (-(as_of - occurred_at) / half_life), ages and half-life in days."""

    events: str
    half_life: int


@dataclass(frozen=True)
class Trend(Definition):
    """Share of the long window's events that fall into the short window; missing when the long one is empty."""

    events: str
    short: int
    long: int


@dataclass(frozen=True)
class Cadence(Definition):
    """Mean days between events: (latest - earliest occurred_at) / (count - 1); missing for fewer than two."""

    events: str


@dataclass(frozen=True)
class FirstTouch(Definition):
    """The `event_type` or `channel` of the earliest event by occurred_at; ties go to the first in the log's order.

    Missing when there is none, or when that event has no channel.
    """

    kind: ClassVar[Kind] = "category"

    of: Literal["event_type", "channel"]
    events: str = "any"


@dataclass(frozen=True)
class LastTouch(Definition):
    """The `event_type` or `channel` of the latest event by occurred_at; ties go to the last in the log's order."""

    kind: ClassVar[Kind] = "category"

    of: Literal["event_type", "channel"]
    events: str = "any"


@dataclass(frozen=True)
class DistinctTypes(Definition):
    """Number of different event types of the vocabulary among the events in the window; unknown types do not count."""

    days: int | None = None


@dataclass(frozen=True)
class IgnoredInRow(Definition):
    """Contact pressure: how many `contacts` were made since the lead last answered.

    The number of visible `contacts` events with occurred_at later than the latest visible `answers` event;
    all of them when the lead never answered.
    """

    contacts: str
    answers: str


@dataclass(frozen=True)
class Profile(Definition):
    """A category of the profile as it was known at the moment; missing where unknown.

    The value in the newest profile version with `valid_from < as_of` (a lead's first version: `<=`).
    """

    kind: ClassVar[Kind] = "category"
    family: ClassVar[Family] = "fit"

    column: str


@dataclass(frozen=True)
class ProfileNumber(Definition):
    """A number of the profile as it was known at the moment, by the rule of `Profile`; missing where unknown.

    A number beyond ± 3.4e38 (the largest float32) is missing too.
    """

    family: ClassVar[Family] = "fit"

    column: str


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _part(field_name: str, value: object) -> str:
    if value is None:
        return "ever"
    if field_name in ("days", "half_life", "short", "long"):
        return f"{value}d"
    return str(value)
