"""Erased leads, known by keyed hashes alone, so that nothing more about them is taken in.

Events about them are refused in serving/store/events/events.py, profiles in serving/store/leads/leads.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, func, select

from data.erasure.ledger import ErasedAndObjecting, subject_of
from data.erasure.seal import BYTES, Seal
from serving.store.database.connection import chunks, insert
from serving.store.database.schema import blocked
from serving.store.database.schema import secrets as table

OWN, OTHER = "ledger", "ledger of "
"""Names of keys among the secrets of the store."""

LOCK = 7_305_108_262
"""Any number of our own: on PostgreSQL an erasure waits for all who have asked who was erased and are still writing,
and they for it. Else rows of the lead could be on their way when it is erased. SQLite has one writer at a time."""


class Blocked:
    """The list of those who must not come back. It may hold hashes under several keys, see data/erasure/ledger.py."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def subject(self, lead_id: str) -> str:
        """What stands for a lead in receipts and in the audit trail: 64 hexadecimal digits."""
        return subject_of(self._seal, lead_id)

    def add(self, connection: Connection, lead_id: str, now: int) -> None:
        """From now on the lead is refused."""
        if connection.dialect.name != "sqlite":
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        if not (keys := _keys(connection)):
            keys = [secrets.token_bytes(BYTES)]
            connection.execute(table.insert().values(name=OWN, value=keys[0]))
        _insert(connection, {subject_of(Seal(keys[0]), lead_id): now})

    def among(self, connection: Connection, lead_ids: Collection[str]) -> set[str]:
        """Which of these leads were erased; that stays so until the transaction ends."""
        if connection.dialect.name != "sqlite":
            connection.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))
        # Erasures of before there were ledgers stand under the store's own seal.
        seals = [self._seal, *map(Seal, _keys(connection))]
        subjects = {subject_of(seal, lead_id): lead_id for seal in seals for lead_id in lead_ids}
        erased: set[str] = set()
        for chunk in chunks(sorted(subjects)):
            query = select(blocked.c.subject).where(blocked.c.subject.in_(chunk))
            erased |= {subjects[subject] for subject in connection.scalars(query)}
        return erased

    def known(self, connection: Connection) -> ErasedAndObjecting:
        """What another ledger may take over: all but what stands under the store's own seal, which never leaves it."""
        erased = dict(connection.execute(select(blocked.c.subject, blocked.c.at)).all())
        return ErasedAndObjecting(tuple(_keys(connection)), {"erased": erased})

    def take_over(self, connection: Connection, other: ErasedAndObjecting) -> None:
        """Adds what another ledger says, with its keys."""
        for key in set(other.keys) - set(_keys(connection)):
            connection.execute(table.insert().values(name=f"{OTHER}{Seal(key).of('name', '')[:16]}", value=key))
        there = set(connection.scalars(select(blocked.c.subject)))
        _insert(connection, {s: at for s, at in other.subjects.get("erased", {}).items() if s not in there})


def _keys(connection: Connection) -> list[bytes]:
    """The keys under which erased leads are known, the own one first."""
    query = select(table.c.value).where(table.c.name.startswith(OWN)).order_by(table.c.name)
    return [bytes(value) for value in connection.scalars(query)]


def _insert(connection: Connection, subjects: Mapping[str, int]) -> None:
    if subjects:
        rows = [{"subject": subject, "at": at} for subject, at in sorted(subjects.items())]
        connection.execute(insert(connection, blocked).on_conflict_do_nothing(), rows)
