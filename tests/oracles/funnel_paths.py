"""The chance of a win by adding up every hidden path: slow, obvious, and written from the model's documentation."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from data.contract import US_PER_DAY
from data.simulated.funnel import ANSWER_TO, ANSWERS, BEHAVIOURS, CODE, GATES, LATE, WEARINESS, WEB, Tables

OPENING, CLOSING = 6 / 24, 18 / 24


@dataclass(frozen=True)
class Happening:
    """One event of a lead: type by name, times in µs after the start."""

    name: str
    occurred_at: int
    known_at: int

    @property
    def day(self) -> int:
        return self.occurred_at // US_PER_DAY


@dataclass(frozen=True)
class Paths:
    """One lead. `history` begins with its entry. `visible` is the rule of what counts at a moment."""

    tables: Tables
    created_at: int
    tier: int
    prior: list[float]
    history: list[Happening]
    visible: Callable[[int, int], bool] = operator.lt

    def win_probability(self, as_of_day: int, horizon: int) -> float:
        """P(deal won in as_of_day … as_of_day + horizon - 1 | what is visible at midnight, no deal ended before)."""
        days = range(self.created_at // US_PER_DAY, as_of_day)
        seen = [event for event in self.history[1:] if self.visible(event.known_at, as_of_day * US_PER_DAY)]
        chances = [[self._chance_of_day(day, as_of_day, state, seen) for state in self._states()] for day in days]
        won = total = 0.0
        for path in self._paths(len(days)):
            weight = self._weight(path, days[0]) * math.prod(chances[i][state] for i, state in enumerate(path))
            total += weight
            won += weight * self._win_ahead(path[-1], as_of_day, horizon)
        return won / total

    def _states(self) -> range:
        return range(len(self.tables.won))

    def _paths(self, days: int) -> list[tuple[int, ...]]:
        personas, intents = self.tables.transition.shape[:2]
        walks = list(product(range(intents), repeat=days))
        return [tuple(persona * intents + intent for intent in walk) for persona in range(personas) for walk in walks]

    def _step(self, old: int, new: int) -> float:
        intents = self.tables.transition.shape[1]
        if old // intents != new // intents:
            return 0.0
        return float(self.tables.transition[old // intents, old % intents, new % intents])

    def _hazards(self, state: int, day: int) -> tuple[float, float]:
        won = float(self.tables.won[state] * self.tables.base_rate[day])
        return won, float(self.tables.lost[state] * self.tables.patience[self.tier])

    def _weight(self, path: tuple[int, ...], first_day: int) -> float:
        weight = self.prior[path[0]]
        for i in range(1, len(path)):
            weight *= self._step(path[i - 1], path[i]) * (1.0 - sum(self._hazards(path[i], first_day + i)))
        return weight

    def _win_ahead(self, state: int, day: int, left: int) -> float:
        if left == 0:
            return 0.0
        chance = 0.0
        for new in self._states():
            step = self._step(state, new)
            if step > 0.0:
                won, lost = self._hazards(new, day)
                chance += step * (won + (1.0 - won - lost) * self._win_ahead(new, day + 1, left - 1))
        return chance

    def _chance_of_day(self, day: int, as_of_day: int, state: int, seen: list[Happening]) -> float:
        counts = Counter(event.name for event in seen if event.day == day)
        chance = 1.0
        for row, name in enumerate(BEHAVIOURS):
            rate = float(self.tables.rate[row, state]) * self._factor(name, day) * self._received(name, as_of_day - day)
            chance *= math.exp(-rate) * rate ** counts[name] / math.factorial(counts[name])
        for row, (name, asked) in enumerate(zip(ANSWERS, ANSWER_TO, strict=True)):
            if counts[asked]:
                yes = float(self.tables.answer[row, state]) * self._factor(name, day)
                chance *= yes if counts[name] else 1.0 - yes
        return chance

    def _received(self, name: str, days_ago: int) -> float:
        """Chance that an event of the day that many midnights ago has been received."""
        if name not in LATE:
            return 1.0
        known = self.tables.received
        return float(known[min(days_ago - 1, len(known) - 1)])

    def _factor(self, name: str, day: int) -> float:
        factor = float(self.tables.calendar[CODE[name], day])
        factor *= math.exp(WEARINESS.get(name, 0.0) * self._days_with("email_sent", day, 14))
        if name in BEHAVIOURS:
            factor *= self._share_of_day(day) * (float(self.tables.scale[self.tier].max()) if name in WEB else 1.0)
        if name in GATES:
            trigger, within, shut = GATES[name]
            factor *= 1.0 if self._days_with(trigger, day, within) else shut
        return factor

    def _days_with(self, name: str, day: int, within: int) -> int:
        """Days among the `within` days before `day` on which a type occurred; none of these types is ever late."""
        return len({event.day for event in self.history if event.name == name and day - within <= event.day < day})

    def _share_of_day(self, day: int) -> float:
        if self.created_at // US_PER_DAY != day:
            return 1.0
        return (CLOSING - self.created_at % US_PER_DAY / US_PER_DAY) / (CLOSING - OPENING)
