"""How long ago and how often: the latest event, the first one, the time between them, and events that fade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from data.contract import US_PER_DAY
from features.kinds.accumulators import Accumulators, Operands
from features.kinds.definition import Definition, Sentence, View


@dataclass(frozen=True)
class Recency(Definition):
    """Days (with fraction) since the latest `occurred_at` among the events; missing when there is none."""

    sentence: ClassVar = Sentence("days since the latest {events}", "Tage seit zuletzt: {events}")
    fractional: ClassVar = True

    events: str

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.track(self.events))

    def by_definition(self, view: View) -> float:
        times = [event.occurred_at for event in view.matching(self.events)]
        return (view.as_of - max(times)) / US_PER_DAY if times else math.nan


@dataclass(frozen=True)
class Age(Definition):
    """Days since the lead was first heard of; missing when it has not been.

    The earlier of the earliest `occurred_at` among visible events (bots included) and the first
    profile version's `valid_from`, if that version is visible.
    """

    sentence: ClassVar = Sentence("days since we know the lead", "Tage, seit wir den Lead kennen")
    fractional: ClassVar = True

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands()

    def by_definition(self, view: View) -> float:
        first = view.first_known()
        return math.nan if first is None else (view.as_of - first) / US_PER_DAY


@dataclass(frozen=True)
class Cadence(Definition):
    """Mean days between events: (latest - earliest occurred_at) / (count - 1); missing for fewer than two."""

    sentence: ClassVar = Sentence("mean days between {events}", "Mittlere Tage zwischen: {events}")
    fractional: ClassVar = True

    events: str

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.group(self.events), accumulators.window(None), accumulators.track(self.events))

    def by_definition(self, view: View) -> float:
        times = [event.occurred_at for event in view.matching(self.events)]
        return (max(times) - min(times)) / US_PER_DAY / (len(times) - 1) if len(times) > 1 else math.nan


@dataclass(frozen=True)
class Decayed(Definition):
    """Sum over all visible events of 2 ** (-(as_of - occurred_at) / half_life), ages and half-life in days."""

    sentence: ClassVar = Sentence(
        "recent {events} (half-life of {half_life})", "{events} in jüngster Zeit (Halbwertszeit {half_life})"
    )
    fractional: ClassVar = True

    events: str
    half_life: int

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(*accumulators.decay(self.events, self.half_life))

    def by_definition(self, view: View) -> float:
        ages = ((view.as_of - event.occurred_at) / US_PER_DAY for event in view.matching(self.events))
        return sum(math.exp2(-age / self.half_life) for age in ages)
