"""Rejected events: kept with their reason, so that they can be looked at, repaired and replayed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from data.contract import BLANKS, DataError
from data.ids import spelled
from data.times import EARLIEST
from serving.store.database.connection import Database, chunks, insert
from serving.store.database.schema import rejected
from serving.store.events.event_validation import KEPT, EventIn, EventResult, as_text, from_text

Add = Callable[[Sequence[EventIn], int, int, str], list[EventResult]]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken in, why, and when that was (µs UTC)."""

    event: EventIn
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class StoredRejection:
    """A kept rejection; long texts were cut. replayed_at: when a replay took it in, else None. Times are µs UTC."""

    id: int
    event: EventIn
    reason: str
    at: int
    replayed_at: int | None


class Rejected:
    """Looks at rejected events and replays them."""

    def __init__(self, database: Database, add: Add) -> None:
        self._database = database
        self._add = add

    def list(self, after: int = 0, limit: int = 100) -> list[StoredRejection]:
        """Rejected events with an id above `after`, in order of id."""
        query = select(rejected).where(rejected.c.id > after).order_by(rejected.c.id).limit(limit)
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(query)]

    def get(self, number: int) -> StoredRejection:
        """One of them. Raises DataError when there is none by that number."""
        with self._database.read() as connection:
            row = connection.execute(select(rejected).where(rejected.c.id == number)).one_or_none()
        if row is None:
            raise DataError(f"there is no rejected event {number}; list them to see which there are")
        return _read(row)

    def replay(
        self, number: int, now: int, repaired: EventIn | None = None, earliest: int = EARLIEST, key: str = ""
    ) -> EventResult:
        """Sends a rejected event again, repaired or, when time has mended it, as it was. The rest as `Events.add`."""
        result = self._add([repaired or self.get(number).event], now, earliest, key)[0]
        if result.status != "rejected":
            with self._database.write() as connection:
                connection.execute(update(rejected).where(rejected.c.id == number).values(replayed_at=now))
        return result


def keep(connection: Connection, rejections: Sequence[Rejection]) -> list[int]:
    """The numbers under which rejected events are kept; the same event with the same reason is kept once."""
    rows = {}
    digests = []
    for rejection in rejections:
        text = as_text(rejection.event)
        digest = hashlib.sha256(f"{rejection.reason}\x1f{text}".encode()).hexdigest()
        sent = rejection.event.lead_id
        lead_id = spelled(sent.strip(BLANKS))[:KEPT] if isinstance(sent, str) else None
        digests.append(digest)
        rows[digest] = {
            "at": rejection.at,
            "lead_id": _storable(lead_id),
            "reason": rejection.reason,
            "event": text,
            "digest": digest,
        }
    if not rows:
        return []
    connection.execute(insert(connection, rejected).on_conflict_do_nothing(), list(rows.values()))
    numbers: dict[str, int] = {}
    for chunk in chunks(sorted(rows)):
        query = select(rejected.c.digest, rejected.c.id).where(rejected.c.digest.in_(chunk))
        numbers |= {row.digest: row.id for row in connection.execute(query)}
    return [numbers[digest] for digest in digests]


def _storable(text: str | None) -> str | None:
    """What a database can hold: no lone surrogate, no NUL. Such an id names no lead, so nothing is lost."""
    return None if text is None else text.encode("utf-8", "replace").decode().replace("\0", "?")


def _read(row: object) -> StoredRejection:
    return StoredRejection(row.id, from_text(row.event), row.reason, row.at, row.replayed_at)  # type: ignore[attr-defined]
