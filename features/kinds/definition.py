"""What all kinds of features share. A feature is a value, `Count("page_view", days=7)`; its column name is derived.

A moment is (lead, as_of). Only visible events count: `known_at < as_of`, where
`known_at = max(occurred_at, received_at)`. A window of d days holds the visible events with
`occurred_at >= as_of - d days`. Events labelled as bots do not count. Days are calendar days in UTC. "Missing" is NaN
for numbers and null for categories.

What a field is called decides what it means. `events`, `contacts` and `answers` name an event type, a group of the
vocabulary, or `any` (every event, also of types the vocabulary does not know), `any_campaign` and `any_asset` (every
event that names a campaign, an asset). `days`, `half_life`, `short` and `long`
are whole days; `days=None` means ever.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, Protocol

from data.contract import UsageError
from features.kinds.accumulators import Accumulators, Reading

Kind = Literal["number", "category"]
Family = Literal["fit", "engagement"]
Value = float | str | None
"""What a feature is for one moment: NaN is a missing number, None a missing category."""
EVENT_FIELDS = ("events", "contacts", "answers")
DAY_FIELDS = ("days", "half_life", "short", "long")
LONGEST = 36_500
"""Days in the longest window."""


class Sentence(NamedTuple):
    """What a kind measures, in both languages; names in braces are its fields."""

    en: str
    de: str


class SeenEvent(Protocol):
    """An event as a plain definition sees it; `occurred_at` is in µs UTC."""

    @property
    def occurred_at(self) -> int: ...
    @property
    def event_type(self) -> str: ...
    @property
    def channel(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def campaign(self) -> str | None: ...
    @property
    def asset(self) -> str | None: ...


class View(Protocol):
    """A lead as it can be seen at a moment; what is not visible then is not in it."""

    @property
    def as_of(self) -> int: ...
    @property
    def types(self) -> Sequence[str]:
        """Event types of the vocabulary."""

    def first_known(self) -> int | None:
        """When anything of the lead happened first: any event, of bots too, or its first profile version."""

    def matching(self, events: str, days: int | None = None) -> Sequence[SeenEvent]:
        """Events of a group in a window, in the log's order, without those of bots."""

    def opens(self, days: int | None) -> float:
        """From which instant on events lie in a window."""

    def profile(self, column: str) -> Value:
        """What the newest visible profile version holds in a column."""

    def colleagues(self) -> Sequence[View] | None:
        """Other leads of its company, as they can be seen then; None where no company is known."""


@dataclass(frozen=True)
class Definition(ABC):
    """A feature: a value of a few fields, from which its column name derives.

    kind, family: what the column holds, and which part of a score it belongs to. sentence: what it measures.
    fractional: whether it holds fractions of many digits, which do not shrink on disk.
    """

    kind: ClassVar[Kind] = "number"
    family: ClassVar[Family] = "engagement"
    sentence: ClassVar[Sentence]
    fractional: ClassVar[bool] = False

    @cached_property
    def name(self) -> str:
        """Column name, unique per definition, e.g. `count_page_view_7d`."""
        parts = [_snake(type(self).__name__)]
        parts += [_part(field.name, getattr(self, field.name)) for field in fields(self)]
        return "_".join(parts)

    def check(self) -> None:
        """Raises UsageError when a field cannot be what it is."""
        for key in DAY_FIELDS:
            days = getattr(self, key, None)
            if days is not None and not 0 < days <= LONGEST:
                raise UsageError(f"feature {self.name!r}: {key} = {days} must be 1 to {LONGEST} days")

    @abstractmethod
    def read(self, accumulators: Accumulators) -> Reading:
        """How the kernel reads it off the accumulators; it computes what the plain definition says."""

    @abstractmethod
    def by_definition(self, view: View) -> Value:
        """The definition itself, in plain Python: slow and obvious. Tests hold the kernel against it."""


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _part(field_name: str, value: object) -> str:
    if value is None:
        return "ever"
    return f"{value}d" if field_name in DAY_FIELDS else str(value)
