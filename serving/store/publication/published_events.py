"""Events of the log in the store: put in, replaced by newer versions, taken out where the log took them back.

A row that a service sent stays as it is, unless the log knows that very row, and knows that it is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, bindparam, delete, or_, select, update

from data.contract import CONTEXT
from serving.store.database.connection import chunks
from serving.store.database.many import insert_many
from serving.store.database.schema import events
from serving.store.events.deals import stored_deal
from serving.store.events.events import Id, stored_under

CONTENT = (
    *("lead_id", "event_type", "channel", "value", *CONTEXT, "deal"),
    *("occurred_at", "received_at", "known_at", "body"),
)
IS_IT = (events.c.event_id == bindparam("id")) & (events.c.source == bindparam("of"))


class LogEvent(NamedTuple):
    """An event as the log tells it. value: in the unit of the events' values. occurred_at, known_at: µs UTC. deal: the
    log's hash of it, below 2**64."""

    event_id: str
    source: str
    lead_id: str
    event_type: str
    channel: str | None
    value: float | None
    campaign: str | None
    asset: str | None
    deal: int | None
    occurred_at: int
    known_at: int
    body: str

    @property
    def key(self) -> Id:
        return self.event_id, self.source


@dataclass(frozen=True)
class EventChanges:
    """What makes the store hold what the log says. put: events. removed: id and lead of published rows."""

    put: list[LogEvent] = field(default_factory=list)
    removed: list[tuple[Id, str]] = field(default_factory=list)


def hand_over(connection: Connection, table: pa.Table) -> int:
    """Rows that services sent and the log took back, or corrected, follow the log from now on; says how many.

    table: events of the log, as in `LeadsState`.
    """
    wrong = set(_columns(table.filter(table.column("wrong")), ("event_id", "source", "body")))
    handed: list[dict[str, str]] = []
    for chunk in chunks(sorted({event_id for event_id, _, _ in wrong})):
        query = select(events.c.event_id, events.c.source, events.c.body).where(~events.c.published)
        rows = connection.execute(query.where(events.c.event_id.in_(chunk)))
        handed += [
            {"id": event_id, "of": source} for event_id, source, body in rows if (event_id, source, body) in wrong
        ]
    if handed:
        connection.execute(update(events).where(IS_IT).values(published=True), handed)
    return len(handed)


def event_changes(connection: Connection, table: pa.Table, known: Collection[str]) -> EventChanges:
    """What has changed of leads; `table` has all their events, as in `LeadsState`; `known`: leads of the store."""
    there = _stored(connection, known)
    counting = [LogEvent(*row) for row in _columns(table.filter(pc.invert(table.column("wrong"))), LogEvent._fields)]
    put = [event for event in counting if there.get(event.key, (None, None))[:2] != (event.body, event.known_at)]
    current = {event.key for event in counting}
    removed = [(key, lead) for key, (*_, lead, published) in there.items() if published and key not in current]
    # In the order of ids, so that two writers never wait for each other.
    return EventChanges(sorted(put, key=lambda event: event.key), sorted(removed))


def put_events(connection: Connection, put: Sequence[LogEvent]) -> tuple[int, int]:
    """Writes events of the log; says how many, and how many stay as a service sent them, with another content."""
    if not put:
        return 0, 0
    bodies = {event.key: event.body for event in put}
    rows = [
        {**event._asdict(), "deal": stored_deal(event.deal), "received_at": event.known_at, "published": True}
        for event in put
    ]
    done: set[Id] = {(row[0], row[1]) for row in insert_many(connection, events, rows, _unless_sent)}
    others = stored_under(connection, bodies.keys() - done)
    return len(done), sum(stored.body != bodies[key] for key, stored in others.items())


def _unless_sent(statement: Any) -> Any:
    """In place of what was published; of what a service sent only a copy that was known earlier counts."""
    said = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[events.c.event_id, events.c.source],
        set_={name: said[name] for name in CONTENT},
        where=or_(events.c.published, (events.c.body == said.body) & (said.known_at < events.c.known_at)),
    ).returning(events.c.event_id, events.c.source)


def remove_events(connection: Connection, rows: Sequence[tuple[Id, str]]) -> int:
    """Takes published rows out; one that has become another lead's meanwhile stays. Says how many."""
    asked = [{"id": event_id, "of": source, "lead": lead_id} for (event_id, source), lead_id in rows]
    theirs = events.c.published & (events.c.lead_id == bindparam("lead"))
    return connection.execute(delete(events).where(IS_IT, theirs), asked).rowcount


def _stored(connection: Connection, lead_ids: Collection[str]) -> dict[Id, tuple[str, int, str, bool]]:
    """Body, known_at, lead_id and whether it was published, of all events of leads."""
    there: dict[Id, tuple[str, int, str, bool]] = {}
    names = ("event_id", "source", "body", "known_at", "lead_id", "published")
    query = select(*(events.c[name] for name in names))
    for chunk in chunks(sorted(lead_ids)):
        for event_id, source, *rest in connection.execute(query.where(events.c.lead_id.in_(chunk))):
            there[event_id, source] = tuple(rest)
    return there


def _columns(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table.column(name).to_pylist() for name in names), strict=True)
