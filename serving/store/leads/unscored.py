"""Leads that services have sent and nobody has scored yet, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, select, tuple_

from serving.store.database.connection import Database
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, standings
from serving.store.database.summaries import Summaries

NAME = "first scores"
LOOKED = 2_000
"""Leads that one look reads at most; nearly all of them are scored."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """lead_ids: without a score, sorted. number, last: where to look on from. is_all: whether nobody came after."""

    lead_ids: list[str]
    number: int
    last: str
    is_all: bool


BEGINNING = Arrived([], 0, "", False)


class Unscored:
    """Looks for them, a stretch at a time along the numbers of changes."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    def looked_until(self, target: str) -> Arrived:
        """Where an earlier server has come to, so that one that starts looks at what has changed since."""
        summary = self._summaries.read(target, NAME)
        return BEGINNING if summary is None else Arrived([], int(summary[1]), "", False)

    def note(self, target: str, looked: Arrived, now: int) -> None:
        """Keeps how far a look has come: the number alone, since no id may stay there. now: µs UTC.

        A number that was looked at to its end is given to nobody else.
        """
        self._summaries.keep(target, NAME, looked.number + looked.is_all, now)

    def after(self, target: str, before: Arrived, limit: int = LOOKED) -> Arrived:
        """The next stretch. Those that the event log tells of are scored by who publishes it, and left out."""
        scored = and_(standings.c.lead_id == leads.c.lead_id, standings.c.target == target)
        query = select(leads.c.change, leads.c.lead_id, standings.c.as_of, leads.c.published, is_present())
        query = query.outerjoin(standings, scored).order_by(leads.c.change, leads.c.lead_id).limit(limit)
        place = tuple_(leads.c.change, leads.c.lead_id) > tuple_(before.number, before.last)
        with self._database.read() as connection:
            rows = connection.execute(query.where(leads.c.change >= before.number, place)).all()
        if not rows:
            return Arrived([], before.number, before.last, True)
        fresh = sorted(lead for _, lead, as_of, published, there in rows if there and as_of is None and not published)
        return Arrived(fresh, rows[-1][0], rows[-1][1], len(rows) < limit)
