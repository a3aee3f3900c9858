"""Events of the store: taken in at least once, kept once, acknowledged when they are on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice

from sqlalchemy import BindParameter, Connection, bindparam, select, update

from data.times import EARLIEST
from serving.store.database.changes import mark_changed
from serving.store.database.connection import Database, chunks, insert
from serving.store.database.group_commit import GroupCommit
from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn, EventResult, InvalidInput, ValidEvent, admit, name
from serving.store.events.rejected import Rejection, keep
from serving.store.events.vocabularies import Name, Vocabularies, names_of_event
from serving.store.privacy.blocked import Blocked

Id = tuple[str, str]
"""event_id and source."""
ERASED = "the lead was erased; nothing more is taken in about it"
TAKEN = "event_id is taken by an event with another content"


@dataclass(frozen=True, slots=True)
class _Sent:
    """An event as it was sent, what the door said of it, when that was, and by which key."""

    event: EventIn
    judged: ValidEvent | InvalidInput
    now: int
    key: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds under an id. received_at: µs UTC. fresh: the event that has just put it there."""

    body: str
    received_at: int
    fresh: ValidEvent | None = None


class Events:
    """Takes events in."""

    def __init__(
        self, database: Database, blocked: Blocked, vocabularies: Vocabularies, personal_ids: bool = False
    ) -> None:
        self._database = database
        self._blocked = blocked
        self._vocabularies = vocabularies
        self._personal_ids = personal_ids
        self._commit: GroupCommit[list[_Sent], list[EventResult]] = GroupCommit(self._write)

    def add(self, sent: Sequence[EventIn], now: int, earliest: int = EARLIEST, key: str = "") -> list[EventResult]:
        """One result per event, in order; all is on disk when this returns. `now`: the server's clock;
        `earliest`: the first time that is a date at all; both µs UTC. key: whose names are counted, "" for nobody's.

        An event that is there already is a duplicate and has no effect, but for an earlier `received_at`; the same
        id with another content is rejected. A rejected event is kept (`store.rejected`), unless its lead was erased.
        Raises StoreFull or StoreAway, and then nothing of the batch was stored.
        """
        if not sent:
            return []
        judged = [_judge(event, now, earliest, self._personal_ids) for event in sent]
        return self._commit.submit([_Sent(event, result, now, key) for event, result in zip(sent, judged, strict=True)])

    def _write(self, batches: Sequence[list[_Sent]]) -> list[list[EventResult]]:
        together = [sent for batch in batches for sent in batch]
        with self._database.write() as connection:
            results = iter(self._ingest(connection, together))
        return [list(islice(results, len(batch))) for batch in batches]

    def _ingest(self, connection: Connection, sent: Sequence[_Sent]) -> list[EventResult]:
        sent = self._with_known_names(connection, sent)
        good = [entry.judged for entry in sent if isinstance(entry.judged, ValidEvent)]
        erased = self._blocked.among(connection, {lead for entry in sent if (lead := _lead_of(entry)) is not None})
        stored = insert_new(connection, [event for event in good if event.lead_id not in erased])
        results = [_result(entry, stored, erased) for entry in sent]
        changed = _receive_earlier(connection, good, stored)
        changed |= {event.fresh.lead_id for event in stored.values() if event.fresh}
        mark_changed(connection, changed, max(entry.now for entry in sent))
        return _quarantine(connection, sent, results)

    def _with_known_names(self, connection: Connection, sent: Sequence[_Sent]) -> list[_Sent]:
        """The same, where an event is refused that brings one name too many for its key."""
        brought: dict[str, set[Name]] = {}
        for entry in sent:
            brought.setdefault(entry.key, set()).update(_names(entry.judged))
        beyond = {key: self._vocabularies.beyond(connection, key, names) for key, names in brought.items()}
        return [
            replace(entry, judged=next((beyond[entry.key][name] for name in names), entry.judged))
            for entry in sent
            for names in [[name for name in _names(entry.judged) if name in beyond[entry.key]]]
        ]


def _names(judged: ValidEvent | InvalidInput) -> list[Name]:
    return names_of_event(judged) if isinstance(judged, ValidEvent) else []


def _judge(event: EventIn, now: int, earliest: int, personal_ids: bool) -> ValidEvent | InvalidInput:
    try:
        return admit(event, now, earliest, personal_ids)
    except InvalidInput as refused:
        return refused


def insert_new(connection: Connection, rows: Sequence[ValidEvent]) -> dict[Id, Stored]:
    """Inserts what is new; says what the store holds now under each of the ids."""
    first: dict[Id, ValidEvent] = {}
    for event in rows:
        first.setdefault((event.event_id, event.source), event)
    if not first:
        return {}
    # In the order of ids, so that two writers never wait for each other.
    new = [asdict(first[key]) for key in sorted(first)]
    statement = insert(connection, events).on_conflict_do_nothing().returning(events.c.event_id, events.c.source)
    fresh = {(event_id, source) for event_id, source in connection.execute(statement, new)}
    stored = {key: Stored(first[key].body, first[key].received_at, first[key]) for key in fresh}
    return stored | stored_under(connection, set(first) - fresh)


def stored_under(connection: Connection, ids: set[Id]) -> dict[Id, Stored]:
    """What the store holds under these ids."""
    stored: dict[Id, Stored] = {}
    for chunk in chunks(sorted({event_id for event_id, _ in ids})):
        query = select(events.c.event_id, events.c.source, events.c.body, events.c.received_at)
        for event_id, source, body, received_at in connection.execute(query.where(events.c.event_id.in_(chunk))):
            if (event_id, source) in ids:
                stored[event_id, source] = Stored(body, received_at)
    return stored


def _result(sent: _Sent, stored: Mapping[Id, Stored], erased: set[str]) -> EventResult:
    judged = sent.judged
    event_id = judged.event_id if isinstance(judged, ValidEvent) else None
    if _lead_of(sent) in erased:
        return EventResult("rejected", event_id, ERASED)
    if isinstance(judged, InvalidInput):
        return EventResult("rejected", event_id, str(judged))
    there = stored[judged.event_id, judged.source]
    if there.body != judged.body:
        return EventResult("rejected", event_id, TAKEN)
    return EventResult("accepted" if there.fresh is judged else "duplicate", event_id)


def _lead_of(sent: _Sent) -> str | None:
    """Whom an event is about, also when it is refused: nothing about the erased is kept for another try."""
    try:
        return name("lead_id", sent.event.lead_id)
    except InvalidInput:
        return None


def _receive_earlier(connection: Connection, rows: Sequence[ValidEvent], stored: Mapping[Id, Stored]) -> set[str]:
    """A copy that was received earlier makes the event known from then, in whatever order they come; says of whom."""
    earlier: dict[Id, ValidEvent] = {}
    for row in rows:
        key = (row.event_id, row.source)
        there = stored.get(key)
        if there and row.body == there.body and row.received_at < earlier.get(key, there).received_at:
            earlier[key] = row
    if earlier:
        its_id = (events.c.event_id == bindparam("id")) & (events.c.source == bindparam("of"))
        values: dict[str, BindParameter[int]] = {"received_at": bindparam("received"), "known_at": bindparam("known")}
        parameters = [
            {"id": event.event_id, "of": event.source, "received": event.received_at, "known": event.known_at}
            for _, event in sorted(earlier.items())
        ]
        connection.execute(update(events).where(its_id).values(values), parameters)
    return {event.lead_id for event in earlier.values()}


def _quarantine(connection: Connection, sent: Sequence[_Sent], results: list[EventResult]) -> list[EventResult]:
    """Keeps what was rejected, and puts its number into the results."""
    places = [at for at, result in enumerate(results) if result.status == "rejected" and result.reason != ERASED]
    numbers = keep(connection, [Rejection(sent[at].event, str(results[at].reason), sent[at].now) for at in places])
    for at, number in zip(places, numbers, strict=True):
        results[at] = EventResult("rejected", results[at].event_id, results[at].reason, number)
    return results
