"""Every feature as a plain loop over one lead's events, written from the text of features/definitions.py alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import singledispatch

from data.vocabulary import ANY, Vocabulary
from features import definitions as of

DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Value = float | str | None
"""What a feature is for one moment: NaN is a missing number, None a missing category."""


@dataclass(frozen=True)
class Event:
    """One row of the log; times in µs UTC."""

    known_at: int
    occurred_at: int
    event_type: str
    channel: str | None = None
    value: float | None = None
    bot: bool = False


@dataclass(frozen=True)
class Version:
    """One profile version."""

    valid_from: int
    values: dict[str, Value]


@dataclass(frozen=True)
class Lead:
    """Events in the log's order, profile versions in order of time."""

    lead_id: str
    events: Sequence[Event]
    versions: Sequence[Version]


@dataclass(frozen=True)
class View:
    """A lead as it can be seen at a moment. A test may plant a fault by giving another one to `value_of`."""

    lead: Lead
    as_of: int
    vocabulary: Vocabulary

    def visible(self) -> Iterator[Event]:
        for event in self.lead.events:
            if event.known_at < self.as_of:
                yield event

    def opens(self, days: int) -> int:
        """From when on an event lies in a window of so many days."""
        return self.as_of - days * DAY

    def matching(self, events: str, days: int | None = None) -> list[Event]:
        found = []
        for event in self.visible():
            if event.bot:
                continue
            if events != ANY and event.event_type not in self.vocabulary.members(events):
                continue
            if days is not None and event.occurred_at < self.opens(days):
                continue
            found.append(event)
        return found

    def version(self) -> Version | None:
        newest = None
        for place, version in enumerate(self.lead.versions):
            if version.valid_from < self.as_of or (place == 0 and version.valid_from == self.as_of):
                newest = version
        return newest


@singledispatch
def value_of(feature: of.Definition, view: View) -> Value:
    """The value of a feature as its documentation says."""
    raise NotImplementedError(f"no oracle for {type(feature).__name__}")


@value_of.register
def _(feature: of.Count, view: View) -> Value:
    return float(len(view.matching(feature.events, feature.days)))


@value_of.register
def _(feature: of.Sum, view: View) -> Value:
    total = 0
    for event in view.matching(feature.events, feature.days):
        if event.value is not None:
            total += _ten_thousandths(event.value)
    return total / 10_000


@value_of.register
def _(feature: of.Mean, view: View) -> Value:
    total, number = 0, 0
    for event in view.matching(feature.events, feature.days):
        if event.value is not None:
            total += _ten_thousandths(event.value)
            number += 1
    return total / 10_000 / number if number else math.nan


@value_of.register
def _(feature: of.Max, view: View) -> Value:
    largest = None
    for event in view.matching(feature.events, feature.days):
        if event.value is not None and (largest is None or _ten_thousandths(event.value) > largest):
            largest = _ten_thousandths(event.value)
    return math.nan if largest is None else largest / 10_000


@value_of.register
def _(feature: of.Recency, view: View) -> Value:
    latest = None
    for event in view.matching(feature.events):
        if latest is None or event.occurred_at > latest:
            latest = event.occurred_at
    return math.nan if latest is None else (view.as_of - latest) / DAY


@value_of.register
def _(feature: of.Age, view: View) -> Value:
    heard = [event.occurred_at for event in view.visible()]
    for version in view.lead.versions[:1]:
        if version.valid_from <= view.as_of:
            heard.append(version.valid_from)
    return (view.as_of - min(heard)) / DAY if heard else math.nan


@value_of.register
def _(feature: of.ActiveDays, view: View) -> Value:
    days = set()
    for event in view.matching(feature.events, feature.days):
        days.add(_day(event.occurred_at))
    return float(len(days))


@value_of.register
def _(feature: of.Sessions, view: View) -> Value:
    opened, before = 0, list[Event]()
    for event in view.matching(feature.events):
        opens = all(event.occurred_at - other.occurred_at > 30 * 60_000_000 for other in before)
        in_window = feature.days is None or event.occurred_at >= view.opens(feature.days)
        opened += opens and in_window
        before.append(event)
    return float(opened)


@value_of.register
def _(feature: of.Decayed, view: View) -> Value:
    total = 0.0
    for event in view.matching(feature.events):
        age = (view.as_of - event.occurred_at) / DAY
        total += 2.0 ** (-age / feature.half_life)
    return total


@value_of.register
def _(feature: of.Trend, view: View) -> Value:
    short, long = len(view.matching(feature.events, feature.short)), len(view.matching(feature.events, feature.long))
    return short / long if long else math.nan


@value_of.register
def _(feature: of.Cadence, view: View) -> Value:
    times = [event.occurred_at for event in view.matching(feature.events)]
    return (max(times) - min(times)) / DAY / (len(times) - 1) if len(times) > 1 else math.nan


@value_of.register
def _(feature: of.FirstTouch, view: View) -> Value:
    first = None
    for event in view.matching(feature.events):
        if first is None or event.occurred_at < first.occurred_at:
            first = event
    return None if first is None else first.event_type if feature.of == "event_type" else first.channel


@value_of.register
def _(feature: of.LastTouch, view: View) -> Value:
    last = None
    for event in view.matching(feature.events):
        if last is None or event.occurred_at >= last.occurred_at:
            last = event
    return None if last is None else last.event_type if feature.of == "event_type" else last.channel


@value_of.register
def _(feature: of.DistinctTypes, view: View) -> Value:
    found = set()
    for event in view.matching(ANY, feature.days):
        if event.event_type in view.vocabulary.types:
            found.add(event.event_type)
    return float(len(found))


@value_of.register
def _(feature: of.IgnoredInRow, view: View) -> Value:
    answers = [event.occurred_at for event in view.matching(feature.answers)]
    ignored = 0
    for contact in view.matching(feature.contacts):
        if not answers or contact.occurred_at > max(answers):
            ignored += 1
    return float(ignored)


@value_of.register
def _(feature: of.Profile, view: View) -> Value:
    version = view.version()
    return None if version is None else version.values.get(feature.column)


@value_of.register
def _(feature: of.ProfileNumber, view: View) -> Value:
    version = view.version()
    known = None if version is None else version.values.get(feature.column)
    return math.nan if known is None else known


def _ten_thousandths(value: float) -> int:
    return round(Fraction(value) * 10_000)


def _day(time: int) -> date:
    return (EPOCH + timedelta(microseconds=time)).date()
