"""What stored scores have promised and what came of them, month by month and band by band.

A month is counted once, at the first scoring after the last of its labels has become certain; what was counted stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select

from data.contract import US_PER_DAY, US_PER_SECOND
from features.labels import Target
from serving.store.database.connection import Database
from serving.store.database.schema import scores
from serving.store.database.summaries import Summaries
from serving.store.scores.cohorts import CohortReader
from training.monitoring.cohorts import matured
from training.thresholds.calibration_by_month import MonthBand, count_by_month

NAME = "kept"
"""Of the summary; stores of version 0.1 have it."""


class PromisedVsRealised:
    """Counts months whose outcomes are certain, and reads what was counted."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries
        self._cohorts = CohortReader(database)

    def count(self, target: Target, now: int) -> None:
        """Counts the months that have matured since it was last done. now: µs UTC."""
        counted = self.read(target.name)
        done = {row.month for row in counted}
        fresh = [
            row
            for month, begin, end in _months(
                self._first(target.name), now - target.window.certain_after_days * US_PER_DAY
            )
            if month not in done
            for row in self._count(target, begin, end, now)
        ]
        if fresh:
            self._summaries.keep(target.name, NAME, [asdict(row) for row in [*counted, *fresh]], now)

    def read(self, target: str) -> list[MonthBand]:
        """All that was counted, in order of month and band."""
        summary = self._summaries.read(target, NAME)
        return [] if summary is None else [MonthBand(**row) for row in summary[1]]

    def _first(self, target: str) -> int | None:
        query = select(scores.c.as_of).where(scores.c.target == target).order_by(scores.c.id).limit(1)
        with self._database.read() as connection:
            first: int | None = connection.scalar(query)
        return first

    def _count(self, target: Target, begin: int, end: int, now: int) -> list[MonthBand]:
        given = self._cohorts.first_of_month(target.name, begin, end)
        # From the beginning: what has happened before a score leaves nothing to predict.
        rows = matured(given, self._cohorts.turns(target, now), target, now)
        return count_by_month(rows.given.lead, rows.given.as_of, rows.given.p, rows.y)


def _months(first: int | None, until: int) -> Iterator[tuple[str, int, int]]:
    """Whole months from that of `first` on that ended by `until`: first day, begin and end in µs UTC."""
    if first is None:
        return
    at = datetime.fromtimestamp(first / 1e6, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while True:
        following = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        begin, end = (int(day.timestamp()) * US_PER_SECOND for day in (at, following))
        if end > until:
            return
        yield f"{at:%Y-%m-%d}", begin, end
        at = following
