"""Today's queue: leads of a section, of one person or of all, likeliest first; a page is a walk along an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, literal, select

from serving.store.database.connection import Database
from serving.store.database.cursor import KeysetOrder
from serving.store.database.presence import is_absent, is_present
from serving.store.database.schema import events, leads, standings, work
from serving.store.leads.worklist import MOST
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.scores.sections import SECTIONS, Section

COUNTED = 100
"""A tab says how many leads are in it up to so many; nobody works off more in a day."""
ORDER = KeysetOrder("queue", [standings.c.probability, standings.c.lead_id], [float, str], descending=True)


@dataclass(frozen=True, slots=True)
class Queued:
    """Which leads. worker: whose they are, "" for those of nobody; None for all."""

    target: str
    section: Section
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedLead:
    """A lead of the queue: as the list has it, with its company and the number of the newest step of work, 0 for none.

    since: what has come in since it was scored, by type the latest time (µs UTC).
    """

    entry: WorklistEntry
    account_id: str | None
    step: int
    since: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Leads, and the cursor of the next page, None for the last one."""

    leads: list[QueuedLead]
    next: str | None


class Queue:
    """Lists and counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, queued: Queued, cursor: str | None = None, limit: int = 25) -> QueuePage:
        """Leads after a cursor, at most `limit` (up to 200). Raises UsageError for a cursor that is none."""
        limit = max(1, min(limit, MOST))
        query = page_query(queued, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            shown = [WorklistEntry(*row[:-1]) for row in rows[:limit]]
            steps, since = newest_steps(connection, [lead.lead_id for lead in shown]), _since(connection, shown)
        listed = [
            QueuedLead(lead, row.account_id, steps.get(lead.lead_id, 0), since.get(lead.lead_id, {}))
            for lead, row in zip(shown, rows, strict=False)
        ]
        more = len(rows) > limit
        return QueuePage(listed, ORDER.cursor([shown[-1].probability, shown[-1].lead_id]) if more else None)

    def has(self, target: str, worker: str) -> bool:
        """Whether somebody has leads."""
        theirs = exists().where(standings.c.target == target, standings.c.worker == worker)
        with self._database.read() as connection:
            return bool(connection.scalar(select(theirs)))

    def counts(self, target: str, worker: str | None = None) -> dict[Section, int]:
        """How many leads are in each section, counted up to COUNTED."""
        with self._database.read() as connection:
            row = connection.execute(_counts(worker is not None), {"target": target, "worker": worker}).one()
        return dict(zip(SECTIONS, row, strict=True))


def page_query(queued: Queued, cursor: str | None) -> Select[Any]:
    """The leads after a cursor, as `WorklistEntry` has them, and their companies."""
    columns = (*(standings.c[name] for name in WorklistEntry.__slots__), leads.c.account_id)
    query = _queued(queued.section, queued.worker is not None).with_only_columns(*columns)
    query = query.join(leads, leads.c.lead_id == standings.c.lead_id).where(is_present())
    query = query.params(target=queued.target, worker=queued.worker)
    if cursor is None:
        # Not said beside a cursor, which says it too: SQLite would take the index of all scores for it.
        query = query.where(standings.c.probability.is_not(None))
    return ORDER.sorted(query, cursor)


def newest_steps(connection: Connection, lead_ids: Sequence[str]) -> dict[str, int]:
    """The number of the newest step of each lead that somebody has acted on."""
    query = select(work.c.lead_id, func.max(work.c.number)).where(work.c.lead_id.in_(lead_ids))
    return dict(connection.execute(query.group_by(work.c.lead_id)).all())


def _queued(section: Section, of_one: bool) -> Select[Any]:
    """Standings of a section, for the values `target` and, where they are of one person, `worker`."""
    query = select(standings.c.lead_id).where(standings.c.target == bindparam("target"), standings.c.section == section)
    return query.where(standings.c.worker == bindparam("worker")) if of_one else query


@cache
def _counts(of_one: bool) -> Select[Any]:
    """Made once: to put six queries together takes longer than they do.

    Indexes alone answer them: the leads that are counted lie anywhere in the store, and few are absent.
    """
    absent = and_(leads.c.lead_id == standings.c.lead_id, is_absent())
    present = standings.outerjoin(leads, absent)  # which SQLite looks up in the index of absent leads, unlike an EXISTS
    counted = standings.c.probability.is_not(None), leads.c.lead_id.is_(None)
    few = [
        _queued(section, of_one).with_only_columns(literal(1)).select_from(present).where(*counted).limit(COUNTED)
        for section in SECTIONS
    ]
    return select(*(select(func.count()).select_from(some.subquery()).scalar_subquery() for some in few))


def _since(connection: Connection, shown: Sequence[WorklistEntry]) -> dict[str, dict[str, int]]:
    """What has become known of these leads since the oldest of their scores, which is little."""
    scored = {lead.lead_id: lead.as_of for lead in shown if lead.as_of is not None}
    if not scored:
        return {}
    query = select(events.c.lead_id, events.c.event_type, events.c.known_at, events.c.occurred_at)
    query = query.where(events.c.lead_id.in_(scored), events.c.known_at >= min(scored.values()))
    since: dict[str, dict[str, int]] = {}
    for lead_id, kind, known_at, occurred_at in connection.execute(query):
        if known_at >= scored[lead_id]:
            latest = since.setdefault(lead_id, {})
            latest[kind] = max(occurred_at, latest.get(kind, occurred_at))
    return since
