"""How much: what events are worth, every value rounded to a ten-thousandth (ties to even)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from data.contract import VALUE_SCALE
from features.kinds.accumulators import Accumulators, Operands
from features.kinds.definition import Definition, Sentence, View


@dataclass(frozen=True)
class Sum(Definition):
    """Sum of `value` over the events in the window that have one; 0 when none has.

    Exact: each value is rounded to a ten-thousandth (ties to even) and added as a whole number of them.
    """

    sentence: ClassVar = Sentence("total value of {events} {days}", "Gesamtwert: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.total(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        return sum(_ten_thousandths(view, self.events, self.days)) / VALUE_SCALE


@dataclass(frozen=True)
class Mean(Definition):
    """`Sum` divided by the number of events in the window that have a value; missing when none has."""

    sentence: ClassVar = Sentence("mean value of {events} {days}", "Mittlerer Wert: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Operands:
        total, row = accumulators.total(self.events), accumulators.value_row(self.events)
        return Operands(total, accumulators.window(self.days), row)

    def by_definition(self, view: View) -> float:
        values = _ten_thousandths(view, self.events, self.days)
        return sum(values) / VALUE_SCALE / len(values) if values else math.nan


@dataclass(frozen=True)
class Max(Definition):
    """Largest `value` (rounded to a ten-thousandth) of the events in the window; missing when none has one."""

    sentence: ClassVar = Sentence("highest value of {events} {days}", "Höchster Wert: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.top(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        values = _ten_thousandths(view, self.events, self.days)
        return max(values) / VALUE_SCALE if values else math.nan


def _ten_thousandths(view: View, events: str, days: int | None) -> list[int]:
    values = (event.value for event in view.matching(events, days))
    return [round(Fraction(value) * VALUE_SCALE) for value in values if value is not None]
