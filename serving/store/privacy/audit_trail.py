"""Who did what when: only ever added to, each entry sealed with the one before it, without personal data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, literal, select

from data.erasure.seal import Seal
from serving.store.database.connection import Database, before_commit
from serving.store.database.schema import accounts, audit, keys
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.trail_chain import Checked, Head, NewEntry, TrailChain

COLUMNS = (audit.c.id, audit.c.at, audit.c.who, audit.c.action, audit.c.subject)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry. at: µs UTC. subject: keyed hash of the lead, if it was about one.

    who: a key's prefix, `account NAME`, `nobody` for one that does not exist, `command line`, `server` or `restore`.
    """

    id: int
    at: int
    who: str
    action: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class TrailEntry(AuditEntry):
    """With the role of the key or account, and the key's label; None for others, and accounts that are removed."""

    role: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries. who, action: what these texts hold. lead_id: about whom. since, until: µs UTC, the end excluded.

    limit: the newest so many.
    """

    who: str = ""
    action: str = ""
    lead_id: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 100


class Audit:
    """Adds and reads entries; the database refuses to change or remove one."""

    def __init__(self, database: Database, blocked: Blocked, seal: Seal) -> None:
        self._database = database
        self._blocked = blocked
        self._chain = TrailChain(seal)

    def add(self, who: str, action: str, now: int, lead_id: str | None = None) -> None:
        """Notes that someone did something, on disk when this returns."""
        with self._database.write() as connection:
            self.note(connection, who, action, now, lead_id)

    def note(self, connection: Connection, who: str, action: str, now: int, lead_id: str | None = None) -> None:
        """The same within a transaction, as its last deed."""
        subject = None if lead_id is None else self._blocked.subject(lead_id)
        before_commit(connection, partial(self._chain.append, entry=NewEntry(now, who, action, subject)))

    def shorten(self, connection: Connection, last: int) -> int:
        """Removes entries up to the one with the id `last`, as their retention has it; how many there were."""
        return self._chain.shorten(connection, last)

    def check(self, known: Head | None = None) -> Checked:
        """Whether the trail is as it was written. known: a head that was kept elsewhere."""
        with self._database.read() as connection:
            return self._chain.check(connection, known)

    def note_change(self, who: str, action: str, now: int) -> None:
        """Notes it unless it is what was noted of `who` last, so that a restart tells nothing new."""
        newest = select(audit.c.action).where(audit.c.who == who).order_by(audit.c.id.desc()).limit(1)
        with self._database.write() as connection:
            if connection.scalar(newest) != action:
                self.note(connection, who, action, now)

    def search(self, asked: AuditQuery) -> list[TrailEntry]:
        """The newest entries that were asked for, in order."""
        query = _with_roles().order_by(audit.c.id.desc()).limit(asked.limit)
        for column, text in ((audit.c.who, asked.who), (audit.c.action, asked.action)):
            if text:
                query = query.where(column.contains(text, autoescape=True))
        if asked.lead_id is not None:
            query = query.where(audit.c.subject == self._blocked.subject(asked.lead_id))
        if asked.since is not None:
            query = query.where(audit.c.at >= asked.since)
        if asked.until is not None:
            query = query.where(audit.c.at < asked.until)
        with self._database.read() as connection:
            return [TrailEntry(*row) for row in connection.execute(query)][::-1]

    def entries(self, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Entries with an id above `after`, in order."""
        query = select(*COLUMNS).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
        with self._database.read() as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]

    def of(self, lead_id: str, limit: int = 100) -> list[AuditEntry]:
        """The newest entries about a lead, also when it was erased."""
        query = select(*COLUMNS).where(audit.c.subject == self._blocked.subject(lead_id)).order_by(audit.c.id.desc())
        with self._database.read() as connection:
            return [AuditEntry(*row) for row in connection.execute(query.limit(limit))]


def _with_roles() -> Select[Any]:
    """A key's role never changes; an account gets another one by being removed and added, which the trail tells."""
    account = literal("account ") + accounts.c.name == audit.c.who
    columns = (*COLUMNS, func.coalesce(keys.c.role, accounts.c.role), keys.c.label)
    return select(*columns).outerjoin(keys, keys.c.prefix == audit.c.who).outerjoin(accounts, account)
