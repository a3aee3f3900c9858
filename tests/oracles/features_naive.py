"""A lead as it can be seen at a moment, by plain loops: what the plain definitions of features look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from data.vocabulary import ANY, Vocabulary
from features.kinds.definition import Value

DAY = 86_400_000_000
FAR = 2**62


@dataclass(frozen=True)
class Event:
    """One row of the log; times in µs UTC. superseded_at: from when on it is known to be wrong. deal: 0 for none."""

    known_at: int
    occurred_at: int
    event_type: str
    channel: str | None = None
    value: float | None = None
    bot: bool = False
    superseded_at: int = FAR
    deal: int = 0
    campaign: str | None = None
    asset: str | None = None


@dataclass(frozen=True)
class Version:
    """One profile version."""

    valid_from: int
    values: dict[str, Value]
    account: str | None = None


@dataclass(frozen=True)
class Lead:
    """Events in the log's order, profile versions in order of time, and when the lead was away: (from, until).

    merged: those of the absences in which it was another lead.
    """

    lead_id: str
    events: Sequence[Event]
    versions: Sequence[Version]
    absences: Sequence[tuple[int, int]] = ()
    merged: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class View:
    """A lead at a moment, for `by_definition`. Written from the text of features/kinds/definition.py alone.

    A test may plant a fault by giving another one. leads: all that there are, where companies are looked at. most: how
    many leads may have named an account.
    """

    lead: Lead
    as_of: int
    vocabulary: Vocabulary
    leads: Sequence[Lead] = ()
    most: int = 500

    @property
    def types(self) -> Sequence[str]:
        return self.vocabulary.types

    def visible(self) -> Iterator[Event]:
        for event in self.lead.events:
            if event.known_at < self.as_of and not event.superseded_at < self.as_of:
                yield event

    def first_known(self) -> int | None:
        times = [event.occurred_at for event in self.visible()]
        for version in self.lead.versions[:1]:
            if version.valid_from <= self.as_of:
                times.append(version.valid_from)
        return min(times, default=None)

    def opens(self, days: int | None) -> float:
        return -math.inf if days is None else self.as_of - days * DAY

    def matching(self, events: str, days: int | None = None) -> list[Event]:
        matching = []
        for event in self.visible():
            if event.bot:
                continue
            if events in ("any_campaign", "any_asset"):
                if (event.campaign if events == "any_campaign" else event.asset) is None:
                    continue
            elif events != ANY and event.event_type not in self.vocabulary.members(events):
                continue
            if event.occurred_at >= self.opens(days):
                matching.append(event)
        return matching

    def version(self) -> Version | None:
        newest = None
        for place, version in enumerate(self.lead.versions):
            if version.valid_from < self.as_of or (place == 0 and version.valid_from == self.as_of):
                newest = version
        return newest

    def profile(self, column: str) -> Value:
        newest = self.version()
        return None if newest is None else newest.values.get(column)

    def account(self) -> str | None:
        newest = self.version()
        return None if newest is None else newest.account

    def is_away(self) -> bool:
        return any(since < self.as_of <= until for since, until in self.lead.absences)

    def colleagues(self) -> list[View] | None:
        account = self.account()
        named = [
            lead.lead_id
            for lead in self.leads
            if any(each.account == account and each.valid_from <= self.as_of for each in lead.versions)
        ]
        if account is None or len(named) > self.most:
            return None
        views = [replace(self, lead=lead) for lead in self.leads if lead.lead_id != self.lead.lead_id]
        return [view for view in views if view.account() == account and not view.is_away()]
