"""Erased leads, known by keyed hashes alone, so that nothing more about them is taken in.

Events about them are refused in serving/store/events/events.py, profiles in serving/store/leads/leads.py.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from serving.store.database.connection import chunks, insert
from serving.store.database.hmac_signer import Seal
from serving.store.database.schema import blocked

LOCK = 7_305_108_262
"""Any number of our own: on PostgreSQL an erasure waits for all who have asked who was erased and are still writing,
and they for it. Else rows of the lead could be on their way when it is erased. SQLite has one writer at a time."""


class Blocked:
    """The list of those who must not come back."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def subject(self, lead_id: str) -> str:
        """What stands for a lead once it is erased: 64 hexadecimal digits."""
        return self._seal.of("lead", lead_id)

    def add(self, connection: Connection, lead_id: str, now: int) -> None:
        """From now on the lead is refused."""
        if connection.dialect.name != "sqlite":
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        row = insert(connection, blocked).values(subject=self.subject(lead_id), at=now)
        connection.execute(row.on_conflict_do_nothing())

    def among(self, connection: Connection, lead_ids: Collection[str]) -> set[str]:
        """Which of these leads were erased; that stays so until the transaction ends."""
        if connection.dialect.name != "sqlite":
            connection.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))
        subjects = {self.subject(lead_id): lead_id for lead_id in lead_ids}
        erased: set[str] = set()
        for chunk in chunks(sorted(subjects)):
            query = select(blocked.c.subject).where(blocked.c.subject.in_(chunk))
            erased |= {subjects[subject] for subject in connection.scalars(query)}
        return erased
