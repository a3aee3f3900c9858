"""What would have arrived: a stage replayed over the out-of-fold scores of past weeks, at the cadence of the moments.

A lead has a chance to enter a stage at every scoring, some twenty in its life. So a volume counts what sales sees: a
lead that enters for the first time, in the week in which it does. Who came is known at once, who bought only later: the
newest weeks count for the one and not yet for the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from features.moments import MONDAY
from training.samples.log_odds import Array
from training.thresholds.spread import Spread, highs, week_to_come
from training.thresholds.stages import MARGIN

WEEK = 7 * US_PER_DAY
MOST_WEEKS = 26
"""The newest weeks count: half a year, so that a season and the growth of a company weigh little."""
FEWEST_WEEKS = 9
"""With fewer there is no week that one of ten exceeds."""
MOST_SEEN = 200
"""Thresholds whose arrivals are kept: people try some, a program many."""
RUNGS = 2_000
"""Thresholds that are tried for a capacity: the strictest lead by lead, then ever more leads apart."""


@dataclass(frozen=True)
class StageEntries:
    """What would have arrived at and above a threshold in `weeks` past weeks, from `since` until `until`, µs UTC.

    entries: leads that came for the first time. returns: that came again after they had fallen below. stock: that stood
    there. wins: of as many entries as there are now, those that convert within the horizon, as in the newest weeks of
    which that is known. entered, converted: first entries of all of those, and how many of them converted.
    """

    since: int
    until: int
    weeks: int
    entries: Spread
    returns: Spread
    stock: Spread
    wins: Spread
    entered: int
    converted: int


@dataclass(frozen=True)
class FirstEntries:
    """First entries into a stage by week, int64[weeks] each: leads, and those of them that converted.

    known: of so many weeks, the oldest, it is known who converted.
    """

    leads: NDArray[np.int64]
    wins: NDArray[np.int64]
    known: int

    @property
    def share(self) -> float:
        """How many of them converted, where that is known of all."""
        return float(self.wins.sum() / max(self.leads.sum(), 1))


@dataclass(frozen=True)
class Records:
    """Moments at which leads stood higher than ever before, in counted weeks (n), by falling `upper`.

    A lead enters a stage for the first time at such a moment exactly where the stage begins above `lower`, up to
    `upper`. week: place among the counted weeks. won: 0/1, NaN where it is not known yet.
    """

    lower: Array
    upper: Array
    week: NDArray[np.int64]
    won: Array


@dataclass(frozen=True)
class StageReplay:
    """Scores of the past: p, y (float64[n]; y 0/1, NaN where it is not known yet), lead ([n]), as_of (int64[n], µs
    UTC), in any order.

    every: one lead in so many is there. Volumes are those of all; `entered` and `converted`, which are evidence, of the
    leads that are there.
    """

    p: Array
    y: Array
    lead: NDArray[Any]
    as_of: NDArray[np.int64]
    every: int = 1
    _seen: dict[float, StageEntries] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def known(self) -> StageReplay:
        """The part of it whose outcomes are known."""
        rows = ~np.isnan(self.y)
        if rows.all():
            return self
        return StageReplay(self.p[rows], self.y[rows], self.lead[rows], self.as_of[rows], self.every)

    @cached_property
    def first_week(self) -> int:
        """The first week that counts. The older half of the past at least does not: who stood high before the log
        began would be taken for entering at its beginning."""
        return self._end - self.weeks

    @cached_property
    def weeks(self) -> int:
        """How many weeks count."""
        if not len(self.as_of):
            return 0
        return max(0, min(MOST_WEEKS, (self._end - _week(int(self.as_of.min()))) // 2))

    @cached_property
    def _end(self) -> int:
        """The first week that is not whole: moments on a grid of Mondays end with a whole one, others within one."""
        newest = int(self.as_of.max()) if len(self.as_of) else MONDAY
        return _week(newest) + ((newest - MONDAY) % WEEK == 0)

    @cached_property
    def is_enough(self) -> bool:
        """Whether there are weeks enough to say what a week brings, and leads in them."""
        return self.known.weeks >= FEWEST_WEEKS and len(self.known._records.upper) > 0

    @property
    def per_week(self) -> float:
        """Leads a week that come up at all."""
        return self.above(0.0)[0]

    def first_entries(self, probability: float) -> FirstEntries:
        """First entries by week, of a stage that begins at a probability."""
        records = self._records
        chosen = (records.lower < probability) & (probability <= records.upper)
        week, won = records.week[chosen], records.won[chosen]
        known = min(self.weeks, max(0, self.known._end - self.first_week))
        return FirstEntries(self._by_week(week), self._by_week(week[won > 0]), known)

    def _by_week(self, week: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of all leads do by week what those that are there did in the weeks (n) given."""
        return self.every * np.bincount(week, minlength=self.weeks)

    def above(self, probability: float) -> tuple[float, float]:
        """First entries a week, and how many of them convert, on average."""
        leads = week_to_come(self.first_entries(probability).leads).mean
        return leads, leads * self.known.first_entries(probability).share

    def busy_week(self, probability: float) -> float:
        """First entries that nine weeks of ten do not exceed."""
        return week_to_come(self.first_entries(probability).leads).high

    def lowest_threshold_for(self, per_week: float) -> float | None:
        """The lowest threshold from which on down to the strictest nine weeks of ten bring no more than that.

        0 where all leads fit, None where not even those with the highest probability do.
        """
        rungs, busiest = self._ladder
        fits = busiest <= per_week
        last = len(fits) if fits.all() else int(np.argmin(fits))
        if last == 0:
            return None
        return 0.0 if last == len(fits) and self.busy_week(0.0) <= per_week else float(rungs[last - 1])

    def missed(self, probability: float) -> float:
        """Of the leads that converted, the share that had not entered by then a stage which begins at a probability."""
        best = self.known._best_of_converted
        return float(np.searchsorted(best, probability, side="left") / max(len(best), 1))

    def arrivals(self, probability: float) -> StageEntries:
        """All that a stage which begins at a probability would have brought, as `next_stage` moves leads."""
        if probability not in self._seen:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            self._seen[probability] = self._arrivals(probability)
        return self._seen[probability]

    def _arrivals(self, probability: float) -> StageEntries:
        entries, known = self.first_entries(probability).leads, self.known.first_entries(probability)
        arrived, stock = self._walk(probability)
        begin = self.first_week * WEEK + MONDAY
        return StageEntries(
            begin,
            begin + self.weeks * WEEK,
            self.weeks,
            week_to_come(entries),
            week_to_come(arrived - entries),
            week_to_come(stock),
            week_to_come(known.wins).around(self.above(probability)[1]),
            int(known.leads.sum()) // self.every,
            int(known.wins.sum()) // self.every,
        )

    def _walk(self, probability: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All entries by week, returns among them, and how many stood there at the last moment of each: int64[weeks].

        A stage that stands alone is entered at its threshold and left below 0.9 of it. So at a moment a lead is in it
        exactly where the newest moment that was either at the threshold or below that margin was at the threshold.
        """
        p, week, same = self._in_time
        side = np.where(p >= probability, 1, np.where(p < (1 - MARGIN) * probability, 0, -1))
        place = np.arange(len(p))
        begins = np.maximum.accumulate(np.where(same, 0, place))
        newest = np.maximum.accumulate(np.where(side >= 0, place, 0))
        inside = (newest >= begins) & (side[newest] == 1)
        was = np.append(False, inside[:-1]) & same
        counts = (week >= 0) & (week < self.weeks)
        arrived = self._by_week(week[inside & ~was & counts])
        last = np.append((week[1:] != week[:-1]) | ~same[1:], True)
        return arrived, self._by_week(week[inside & last & counts])

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.lexsort((self.as_of, self._codes))

    @cached_property
    def _codes(self) -> NDArray[np.int64]:
        return np.unique(self.lead, return_inverse=True)[1]

    @cached_property
    def _in_time(self) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
        """By lead and time: probability, week among those that count (below 0 before them), whether the lead is that of
        the row before."""
        codes = self._codes[self._order]
        same = np.append(False, codes[1:] == codes[:-1])
        return self.p[self._order], (self.as_of[self._order] - MONDAY) // WEEK - self.first_week, same

    @cached_property
    def _best_of_converted(self) -> Array:
        """The highest probability that leads had had when they last stood before a conversion in a counted week."""
        _, week, same = self._in_time
        values, _, highest = self._highest
        won = np.flatnonzero((self.y[self._order] > 0) & (week >= 0) & (week < self.weeks))
        lead = np.cumsum(~same)[won]
        last = np.append(lead[1:] != lead[:-1], True) if len(won) else np.zeros(0, np.bool_)
        return np.sort(values[highest[won[last]]])

    @cached_property
    def _highest(self) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
        """All probabilities that there are, the rank of each moment among them, and of the highest of its lead so far.
        By ranks, because sums of lead and probability would not be exact."""
        p, _, same = self._in_time
        values, rank = np.unique(p, return_inverse=True)
        number = np.cumsum(~same) * len(values)
        return values, rank, np.maximum.accumulate(number + rank) - number

    @cached_property
    def _records(self) -> Records:
        p, week, same = self._in_time
        values, rank, highest = self._highest
        before = np.where(same, np.append(0, highest[:-1]), -1)
        chosen = np.flatnonzero((rank > before) & (week >= 0) & (week < self.weeks))
        chosen = chosen[np.argsort(-rank[chosen], kind="stable")]
        lower = np.where(before[chosen] < 0, -1.0, values[np.maximum(before[chosen], 0)])
        return Records(lower, p[chosen], week[chosen], self.y[self._order][chosen])

    @cached_property
    def _ladder(self) -> tuple[Array, Array]:
        """Thresholds, the strictest first, and the first entries that nine weeks of ten do not exceed at each."""
        records = self._records
        ranks = np.unique(np.geomspace(1, len(records.upper), RUNGS).round().astype(np.int64))
        rungs = np.unique(records.upper[ranks - 1])
        enters, leaves = (np.searchsorted(rungs, ends, side="right") for ends in (records.lower, records.upper))
        shape = (self.weeks, len(rungs) + 1)
        steps = np.zeros(shape, np.int64)
        np.add.at(steps, (records.week, enters), 1)
        np.add.at(steps, (records.week, leaves), -1)
        return rungs[::-1], highs(self.every * steps.cumsum(axis=1)[:, :-1][:, ::-1])


def _week(at: int) -> int:
    """Weeks since the first Monday of 1970."""
    return (at - MONDAY) // WEEK
