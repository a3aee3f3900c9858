"""The store's own key: what it keeps of ids, secrets and receipts are hashes under it."""

from __future__ import annotations

import secrets

from sqlalchemy import select

from data.erasure.seal import BYTES, Seal
from serving.store.database.connection import Database, insert
from serving.store.database.schema import secrets as table

SEAL = "seal"
"""The name of the key among the secrets."""


def seal_of(database: Database) -> Seal:
    """The store's seal; its key is drawn when the store is first opened."""
    query = select(table.c.value).where(table.c.name == SEAL)
    with database.read() as connection:
        value = connection.scalar(query)
    if value is None:
        with database.write() as connection:
            fresh = insert(connection, table).values(name=SEAL, value=secrets.token_bytes(BYTES))
            connection.execute(fresh.on_conflict_do_nothing())
            value = connection.execute(query).scalar_one()
    return Seal(bytes(value))
