"""What stored scores have promised and what came of them, month by month and band by band.

A month is counted once, at the first scoring after the last of its windows has closed; what was counted stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, case, exists, func, select

from data.contract import US_PER_DAY, US_PER_SECOND
from serving.store.database.connection import Database
from serving.store.database.schema import events, scores
from serving.store.database.summaries import Summaries

NAME = "kept"


@dataclass(frozen=True, slots=True)
class Window:
    """How outcomes are counted: what happens, gap and horizon of the label window, and days in which it is recorded."""

    events: tuple[str, ...]
    gap_days: int
    horizon_days: int
    settle_days: int

    @property
    def days(self) -> int:
        """How long after a score its outcome is known."""
        return self.gap_days + self.horizon_days + self.settle_days


@dataclass(frozen=True, slots=True)
class KeptMonth:
    """First scores of leads in a month, within a band of probability (its place among the edges given).

    month: its first day, e.g. 2024-05-01. promised: sum of the probabilities. came: how many converted.
    """

    month: str
    band: int
    leads: int
    promised: float
    came: int


class KeptPromises:
    """Counts months whose outcomes are known, and reads what was counted."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    def count(self, target: str, window: Window, edges: Sequence[float], now: int) -> None:
        """Counts the months that have matured since it was last done. now: µs UTC."""
        told = self.read(target)
        done = {each.month for each in told}
        with self._database.read() as connection:
            first = connection.scalar(
                select(scores.c.as_of).where(scores.c.target == target).order_by(scores.c.id).limit(1)
            )
            fresh = [
                each
                for month, begin, end in _months(first, now - window.days * US_PER_DAY)
                if month not in done
                for each in _counted(connection, target, month, (begin, end), window, edges)
            ]
        if fresh:
            self._summaries.keep(target, NAME, [asdict(each) for each in [*told, *fresh]], now)

    def read(self, target: str) -> list[KeptMonth]:
        """All that was counted, in order of month and band."""
        found = self._summaries.read(target, NAME)
        return [] if found is None else [KeptMonth(**each) for each in found[1]]


def _months(first: int | None, until: int) -> Iterator[tuple[str, int, int]]:
    """Whole months from that of `first` on that ended by `until`: first day, begin and end in µs UTC."""
    if first is None:
        return
    at = datetime.fromtimestamp(first / 1e6, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while True:
        following = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        begin, end = (int(each.timestamp()) * US_PER_SECOND for each in (at, following))
        if end > until:
            return
        yield f"{at:%Y-%m-%d}", begin, end
        at = following


def _counted(
    connection: Connection,
    target: str,
    month: str,
    span: tuple[int, int],
    window: Window,
    edges: Sequence[float],
) -> list[KeptMonth]:
    mine = (scores.c.target == target, scores.c.as_of >= span[0], scores.c.as_of < span[1])
    firsts = select(func.min(scores.c.id)).where(*mine).group_by(scores.c.lead_id)
    opens = scores.c.as_of + window.gap_days * US_PER_DAY
    came = exists().where(
        events.c.lead_id == scores.c.lead_id,
        events.c.event_type.in_(window.events),
        events.c.occurred_at >= opens,
        events.c.occurred_at < opens + window.horizon_days * US_PER_DAY,
    )
    below = ((scores.c.probability < edge, place) for place, edge in enumerate(edges[1:-1]))
    band: Any = case(*below, else_=len(edges) - 2)
    rows = select(band.label("band"), scores.c.probability, case((came, 1), else_=0).label("came"))
    told = rows.where(scores.c.id.in_(firsts)).subquery()
    query = select(told.c.band, func.count(), func.sum(told.c.probability), func.sum(told.c.came))
    found = connection.execute(query.group_by(told.c.band).order_by(told.c.band))
    return [KeptMonth(month, place, n, float(promised), int(won)) for place, n, promised, won in found]
