"""How many: events, days with events, visits, different types, and how much of them is recent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from data.contract import US_PER_DAY, US_PER_SECOND, UsageError
from data.vocabulary import ANY
from features.kinds.accumulators import Accumulators, Counted, Operands
from features.kinds.definition import Definition, Sentence, View

SESSION_GAP = 30 * 60 * US_PER_SECOND


@dataclass(frozen=True)
class Count(Definition):
    """Number of events in the window.

    >>> Count("page_view", days=7).name
    'count_page_view_7d'
    """

    sentence: ClassVar = Sentence("{events} {days}", "{events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Counted:
        return Counted(accumulators.group(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        return float(len(view.matching(self.events, self.days)))


@dataclass(frozen=True)
class ActiveDays(Definition):
    """Number of distinct calendar days (UTC) of the events in the window."""

    sentence: ClassVar = Sentence("days with {events} {days}", "Tage mit: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Counted:
        return Counted(accumulators.day_row(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        return float(len({event.occurred_at // US_PER_DAY for event in view.matching(self.events, self.days)}))


@dataclass(frozen=True)
class Sessions(Definition):
    """Number of visits: events in the window that open a session.

    Taking the lead's matching events in the order of the log (by known_at, then occurred_at, …), an event
    opens a session when it occurred more than 30 minutes after every matching event before it.
    Hence an event that arrives late never opens one.
    """

    sentence: ClassVar = Sentence("visits with {events} {days}", "Besuche mit: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Counted:
        return Counted(accumulators.session_row(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        opened, before = 0, list[int]()
        for event in view.matching(self.events):
            opens = all(event.occurred_at - earlier > SESSION_GAP for earlier in before)
            opened += opens and event.occurred_at >= view.opens(self.days)
            before.append(event.occurred_at)
        return float(opened)


@dataclass(frozen=True)
class DistinctTypes(Definition):
    """Number of different event types of the vocabulary among the events in the window; unknown types do not count."""

    sentence: ClassVar = Sentence("kinds of activity {days}", "Arten von Aktivität {days}")

    days: int | None = None

    def read(self, accumulators: Accumulators) -> Operands:
        accumulators.types()
        return Operands(accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        return float(len({event.event_type for event in view.matching(ANY, self.days)} & set(view.types)))


@dataclass(frozen=True)
class Trend(Definition):
    """Share of the long window's events that fall into the short window; missing when the long one is empty."""

    sentence: ClassVar = Sentence(
        "share of {events} of {long} days that fell in the last {short}",
        "{events}: Anteil der letzten {short} an {long} Tagen",
    )

    events: str
    short: int
    long: int

    def check(self) -> None:
        super().check()
        if self.short >= self.long:
            raise UsageError(f"feature {self.name!r}: short = {self.short} must be less than long = {self.long}")

    def read(self, accumulators: Accumulators) -> Operands:
        short, long = accumulators.window(self.short), accumulators.window(self.long)
        return Operands(accumulators.group(self.events), short, long)

    def by_definition(self, view: View) -> float:
        short, long = (len(view.matching(self.events, days)) for days in (self.short, self.long))
        return short / long if long else math.nan
