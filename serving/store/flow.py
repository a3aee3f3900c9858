"""Whether data flows: events arrive as usual, the log is brought up to date, leads are scored; looked at, and kept.

What was found is kept as a summary, so that pages and health say it without counting; when it was last looked at and
when leads were last scored is held against the clock by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from data.contract import US_PER_DAY
from features.labels import Target
from serving.store.database.connection import Database
from serving.store.database.schema import events, rescorings
from serving.store.database.summaries import Summaries
from training.monitoring.lateness import Delays, late_sources
from training.monitoring.missing import Missing, emptied
from training.monitoring.source_alarms import LEARNT_DAYS, NEW_DAYS, Alarm, DailyArrivals, alarms_of

Row = tuple[str, str, int, int]
"""Source, type, day since 1970, number of events."""
NAME, MISSING = "flow", "missing features"
KEPT = 60
"""Scorings of which it is kept of how many new leads each feature was unknown."""
DAYS = LEARNT_DAYS + NEW_DAYS
"""Days of events that are looked at."""
SCORING_DAYS, LOG_DAYS, GAPS, LOOKED_AT = 3, 7, 2, 10
"""Too long ago are so many days, of a scoring or the end of the log, and so many usual gaps of the last scorings."""


@dataclass(frozen=True)
class FlowReport:
    """What was found. looked_at, scored_at: µs UTC, None for never."""

    alarms: tuple[Alarm, ...]
    looked_at: int | None
    scored_at: int | None

    @property
    def red(self) -> tuple[Alarm, ...]:
        """What keeps scores from being trusted."""
        return tuple(alarm for alarm in self.alarms if alarm.is_red)


class DataFlow:
    """Looks at the flow of a store's data."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    def look(self, target: Target, now: int) -> FlowReport:
        """Counts what has arrived, and keeps what it says. now: µs UTC."""
        sent, published = self._counts(now)
        alarms = [*_alarms(sent, target, now // US_PER_DAY), *self._alarms_of_log(published, target, now)]
        alarms += [*self._late_sources(now), *emptied(self._missing(target.name))]
        self._summaries.keep(target.name, NAME, [asdict(alarm) for alarm in alarms], now)
        return self.read(target.name, now)

    def note_missing(self, target: str, scoring: Missing, now: int) -> None:
        """Keeps what a scoring saw of the leads that had just come; of a day the last one counts. now: µs UTC."""
        scorings = [*(one for one in self._missing(target) if one.day < scoring.day), scoring]
        self._summaries.keep(target, MISSING, [asdict(one) for one in scorings[-KEPT:]], now)

    def _missing(self, target: str) -> list[Missing]:
        summary = self._summaries.read(target, MISSING)
        return [] if summary is None else [Missing(**one) for one in summary[1]]

    def read(self, target: str, now: int) -> FlowReport:
        """What was found when it was last looked at, and whether leads are scored as usual now."""
        summary, scored = self._summaries.read(target, NAME), self._scored(target)
        alarms = [] if summary is None else [Alarm(**row | {"stream": tuple(row["stream"])}) for row in summary[1]]
        late = _late("scoring", scored, now, SCORING_DAYS)
        return FlowReport((*late, *alarms), None if summary is None else summary[0], scored[0] if scored else None)

    def _alarms_of_log(self, published: list[Row], target: Target, now: int) -> list[Alarm]:
        """What a log tells is judged at its own end, which may be that of a week ago; that it ends is judged apart."""
        if not published:
            return []
        end = max(day for _, _, day, _ in published)
        scored = self._scored(target.name)
        late = _late("event log", [(end + 1) * US_PER_DAY, *scored], now, LOG_DAYS)
        return [*late, *_alarms(published, target, end)]

    def _counts(self, now: int) -> tuple[list[Row], list[Row]]:
        """What services sent, and what of sources that the log alone tells."""
        day = events.c.known_at // US_PER_DAY
        columns = (events.c.source, events.c.event_type, day.label("day"), func.count())
        recent = (events.c.known_at >= (now // US_PER_DAY - DAYS) * US_PER_DAY, events.c.known_at < now)
        query = select(*columns).where(*recent).group_by(events.c.source, events.c.event_type, day)
        sources = select(events.c.source).where(*recent, ~events.c.published).distinct()
        with self._database.read() as connection:
            sending = set(connection.scalars(sources))
            rows: list[Row] = [(source, kind, int(at), int(n)) for source, kind, at, n in connection.execute(query)]
        return [row for row in rows if row[0] in sending], [row for row in rows if row[0] not in sending]

    def _late_sources(self, now: int) -> list[Alarm]:
        """Sources of services whose events become known later than usual; when a log's are known, its export says."""
        day, end = events.c.known_at // US_PER_DAY, now // US_PER_DAY
        query = select(events.c.source, day, func.count(), func.sum(events.c.known_at - events.c.occurred_at))
        query = query.where(events.c.known_at >= (end - DAYS) * US_PER_DAY, events.c.known_at < end * US_PER_DAY)
        counts, seconds = dict[str, NDArray[np.int64]](), dict[str, NDArray[np.float64]]()
        with self._database.read() as connection:
            for source, at, n, us in connection.execute(
                query.where(~events.c.published).group_by(events.c.source, day)
            ):
                place = int(at) - (end - DAYS)
                counts.setdefault(source, np.zeros(DAYS, np.int64))[place] = n
                seconds.setdefault(source, np.zeros(DAYS))[place] = float(us) / 1e6
        return late_sources(Delays(end - DAYS, counts, seconds))

    def _scored(self, target: str) -> list[int]:
        """When leads were scored, the newest first, µs UTC."""
        query = select(rescorings.c.finished_at).where(rescorings.c.target == target)
        query = query.where(rescorings.c.finished_at.is_not(None)).order_by(rescorings.c.id.desc()).limit(LOOKED_AT)
        with self._database.read() as connection:
            return list(connection.scalars(query))


def _alarms(rows: Collection[Row], target: Target, end: int) -> list[Alarm]:
    """Alarms of whole days before `end`."""
    first, counts = end - DAYS, dict[tuple[str, str], np.ndarray[tuple[int], np.dtype[np.int64]]]()
    for source, kind, day, n in rows:
        if first <= day < end:
            counts.setdefault((source, kind), np.zeros(DAYS, np.int64))[day - first] += n
    return alarms_of(DailyArrivals(first, counts), frozenset(target.turning))


def _late(what: str, times: list[int], now: int, days: int) -> list[Alarm]:
    """Whether the newest of `times` is longer ago than usual."""
    if not times:
        return []
    gaps = np.diff(np.array(times[::-1]))
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    age = now - times[0]
    if age <= max(days * US_PER_DAY, GAPS * usual):
        return []
    evidence = f"{age // US_PER_DAY} days ago, usual is every {usual / US_PER_DAY:.1f} days"
    return [Alarm("silent", (what,), times[0] // US_PER_DAY, evidence)]
