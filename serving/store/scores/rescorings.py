"""How far a rescoring of all leads has come, so that one that was cut off goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update

from data.contract import US_PER_DAY
from serving.store.database.connection import AT_ONCE, Database
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, rescorings

STALE = US_PER_DAY
"""A rescoring that was cut off longer ago begins anew: its moment has passed."""


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A rescoring. as_of: the moment of all its scores, µs UTC. after: the last lead that is done, None at first."""

    id: int
    as_of: int
    after: str | None
    scored: int


class Rescorings:
    """Begins, continues and ends rescorings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_leads(self) -> bool:
        """Whether there is a lead that may be scored."""
        with self._database.read() as connection:
            return connection.execute(select(leads.c.lead_id).where(is_present()).limit(1)).first() is not None

    def begin(self, target: str, model_digest: str, now: int, as_of: int | None = None) -> Rescoring:
        """The unfinished rescoring of this target by this model where there is one, else a new one.

        as_of: the moment of its scores, by default `now`; both µs UTC.
        """
        same_model = (rescorings.c.target == target) & (rescorings.c.model_digest == model_digest)
        unfinished = same_model & rescorings.c.finished_at.is_(None) & (rescorings.c.started_at > now - STALE)
        columns = (rescorings.c[name] for name in Rescoring.__slots__)
        moment = now if as_of is None else as_of
        fresh = {"target": target, "model_digest": model_digest, "as_of": moment, "started_at": now, "scored": 0}
        with self._database.write() as connection:
            row = connection.execute(select(*columns).where(unfinished).order_by(rescorings.c.id.desc())).first()
            if row is not None:
                return Rescoring(*row)
            number = connection.execute(rescorings.insert().values(fresh).returning(rescorings.c.id)).scalar_one()
            return Rescoring(number, moment, None, 0)

    def waiting(self, rescoring: Rescoring) -> tuple[int, int]:
        """How many leads are done and how many there are; those that object or are away do not count."""
        everyone = select(func.count()).where(is_present())
        with self._database.read() as connection:
            done = 0
            if rescoring.after is not None:
                done = connection.execute(everyone.where(leads.c.lead_id <= rescoring.after)).scalar_one()
            return done, connection.execute(everyone).scalar_one()

    def next_leads(self, rescoring: Rescoring) -> list[str]:
        """The leads that come next, sorted; empty when all are done. Those that object or are away are left out."""
        query = select(leads.c.lead_id).where(is_present()).order_by(leads.c.lead_id).limit(AT_ONCE)
        if rescoring.after is not None:
            query = query.where(leads.c.lead_id > rescoring.after)
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def advance(self, rescoring: Rescoring, after: str, scored: int) -> Rescoring:
        """Notes that all leads up to `after` are done."""
        values = {"after": after, "scored": rescoring.scored + scored}
        with self._database.write() as connection:
            connection.execute(update(rescorings).where(rescorings.c.id == rescoring.id).values(values))
        return Rescoring(rescoring.id, rescoring.as_of, after, rescoring.scored + scored)

    def finish(self, rescoring: Rescoring, now: int) -> None:
        """Notes that no lead is left."""
        with self._database.write() as connection:
            connection.execute(
                update(rescorings).where(rescorings.c.id == rescoring.id).values(finished_at=now, after=None)
            )
