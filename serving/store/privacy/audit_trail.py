"""Who did what when: only ever added to, without personal data."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from serving.store.database.connection import Database
from serving.store.database.schema import audit
from serving.store.privacy.blocked import Blocked


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry. at: µs UTC. who: a key's prefix or `command line`. subject: keyed hash of the lead, if it was one."""

    id: int
    at: int
    who: str
    action: str
    subject: str | None


class Audit:
    """Adds and reads entries; the database refuses to change or remove one."""

    def __init__(self, database: Database, blocked: Blocked) -> None:
        self._database = database
        self._blocked = blocked

    def add(self, who: str, action: str, now: int, lead_id: str | None = None) -> None:
        """Notes that someone did something, on disk when this returns."""
        with self._database.write() as connection:
            self.note(connection, who, action, now, lead_id)

    def note(self, connection: Connection, who: str, action: str, now: int, lead_id: str | None = None) -> None:
        """The same within a transaction."""
        subject = None if lead_id is None else self._blocked.subject(lead_id)
        connection.execute(audit.insert().values(at=now, who=who, action=action, subject=subject))

    def entries(self, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Entries with an id above `after`, in order."""
        query = select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
        with self._database.read() as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]

    def of(self, lead_id: str, limit: int = 100) -> list[AuditEntry]:
        """The newest entries about a lead, also when it was erased."""
        query = select(audit).where(audit.c.subject == self._blocked.subject(lead_id)).order_by(audit.c.id.desc())
        with self._database.read() as connection:
            return [AuditEntry(*row) for row in connection.execute(query.limit(limit))]
