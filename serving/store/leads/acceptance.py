"""What sales made of the leads that they were given: accepted or rejected, by chance, owner and reason; how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from serving.store.database.connection import Database
from serving.store.database.schema import work

BANDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Where bands begin, by the probability when it was judged; finer than those of promises, where leads of sales lie."""
VERDICTS = ("accept", "reject")
MOST_OWNERS = 100


@dataclass(frozen=True, slots=True)
class Tally:
    """Leads that were judged. key: where a band begins, an owner, or a reason."""

    key: Any
    accepted: int
    rejected: int

    @property
    def rate(self) -> float:
        """The share that was accepted."""
        return self.accepted / (self.accepted + self.rejected)


@dataclass(frozen=True, slots=True)
class FirstContact:
    """How soon somebody has acted on leads that came to sales. owner: who did. in_time: within the aim."""

    owner: str
    acted: int
    in_time: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """by_owner, first_touches: the most frequent owners. reasons: of rejections, the most frequent first."""

    by_band: Sequence[Tally]
    by_owner: Sequence[Tally]
    reasons: Sequence[tuple[str, int]]
    first_touches: Sequence[FirstContact]


class Acceptances:
    """Counts them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, target: str, since: int, aim: int) -> Acceptance:
        """What was said from a moment on (µs UTC); of each lead its last verdict. aim: µs until the first step."""
        last = _last_verdicts(target, since).subquery()
        with self._database.read() as connection:
            return Acceptance(
                sorted(_tallies(connection, last, _band(last.c.probability)), key=lambda tally: tally.key),
                _tallies(connection, last, last.c.worker),
                _reasons(connection, last),
                _first_touches(connection, target, since, aim),
            )


def _last_verdicts(target: str, since: int) -> Select[Any]:
    said = (work.c.target == target, work.c.at >= since, work.c.action.in_(VERDICTS))
    newest = select(work.c.lead_id, func.max(work.c.number).label("number")).where(*said).group_by(work.c.lead_id)
    last = newest.subquery()
    its = (last.c.lead_id == work.c.lead_id) & (last.c.number == work.c.number)
    return select(work.c.action, work.c.worker, work.c.reason, work.c.probability).join(last, its)


def _band(probability: ColumnElement[Any]) -> ColumnElement[Any]:
    """Where the band of a probability begins; NULL for a lead that had none."""
    return case(*((probability >= begin, begin) for begin in reversed(BANDS)))


def _tallies(connection: Connection, last: Any, key: ColumnElement[Any]) -> list[Tally]:
    accepted = func.sum(case((last.c.action == "accept", 1), else_=0))
    query = select(key.label("key"), accepted, func.count() - accepted).where(key.is_not(None)).group_by(key)
    query = query.order_by(func.count().desc(), key).limit(MOST_OWNERS)
    return [Tally(key, int(yes), int(no)) for key, yes, no in connection.execute(query)]


def _reasons(connection: Connection, last: Any) -> list[tuple[str, int]]:
    query = select(last.c.reason, func.count()).where(last.c.action == "reject").group_by(last.c.reason)
    return [(reason, count) for reason, count in connection.execute(query.order_by(func.count().desc(), last.c.reason))]


def _first_touches(connection: Connection, target: str, since: int, aim: int) -> list[FirstContact]:
    first = (work.c.target == target, work.c.at >= since, work.c.waited.is_not(None))
    in_time = func.sum(case((work.c.waited <= aim, 1), else_=0))
    query = select(work.c.worker, func.count(), in_time).where(*first).group_by(work.c.worker)
    query = query.order_by(func.count().desc(), work.c.worker).limit(MOST_OWNERS)
    return [FirstContact(owner, acted, int(soon)) for owner, acted, soon in connection.execute(query)]
