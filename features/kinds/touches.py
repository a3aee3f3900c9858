"""What came first and what came last, and how often we asked in vain since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from data.histories import Named
from features.kinds.accumulators import Accumulators, Operands, Touched
from features.kinds.definition import Definition, Kind, SeenEvent, Sentence, View


@dataclass(frozen=True)
class FirstTouch(Definition):
    """The `event_type`, `channel`, `campaign` or `asset` of the earliest event by occurred_at.

    Ties go to the first in the log's order. Missing when there is none, or when that event names none.
    """

    kind: ClassVar[Kind] = "category"
    sentence: ClassVar = Sentence("first {of}", "{of} zuerst")

    of: Named
    events: str = "any"

    def read(self, accumulators: Accumulators) -> Touched:
        return Touched(accumulators.track(self.events))

    def by_definition(self, view: View) -> str | None:
        events = view.matching(self.events)
        return _touched(min(events, key=lambda event: event.occurred_at), self.of) if events else None


@dataclass(frozen=True)
class LastTouch(Definition):
    """The `event_type`, `channel`, `campaign` or `asset` of the latest event by occurred_at.

    Ties go to the last in the log's order.
    """

    kind: ClassVar[Kind] = "category"
    sentence: ClassVar = Sentence("latest {of}", "{of} zuletzt")

    of: Named
    events: str = "any"

    def read(self, accumulators: Accumulators) -> Touched:
        return Touched(accumulators.track(self.events))

    def by_definition(self, view: View) -> str | None:
        events = view.matching(self.events)[::-1]
        return _touched(max(events, key=lambda event: event.occurred_at), self.of) if events else None


@dataclass(frozen=True)
class IgnoredInRow(Definition):
    """Contact pressure: how many `contacts` were made since the lead last answered.

    The number of visible `contacts` events with occurred_at later than the latest visible `answers` event;
    all of them when the lead never answered.
    """

    sentence: ClassVar = Sentence("{contacts} since the last {answers}", "{contacts} seit zuletzt: {answers}")

    contacts: str
    answers: str

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.pressure(self.contacts, self.answers))

    def by_definition(self, view: View) -> float:
        answers = [event.occurred_at for event in view.matching(self.answers)]
        contacts = [event.occurred_at for event in view.matching(self.contacts)]
        return float(sum(not answers or contact > max(answers) for contact in contacts))


def _touched(event: SeenEvent, of: Named) -> str | None:
    named: str | None = getattr(event, of)
    return named
