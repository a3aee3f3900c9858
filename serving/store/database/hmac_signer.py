"""Keyed hashes: what proves that an id, a secret or a receipt was known, without keeping it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import select

from serving.store.database.connection import Database, insert
from serving.store.database.schema import secrets as table

BYTES = 32


@dataclass(frozen=True)
class Seal:
    """HMAC-SHA256 under a key that lives in the store. Whoever has no access to the store can neither make nor undo it.

    >>> Seal(b"k" * 32).of("lead", "L1") == Seal(b"k" * 32).of("lead", "L1") != Seal(b"k" * 32).of("key", "L1")
    True
    """

    key: bytes

    def of(self, purpose: str, text: str) -> str:
        """64 hexadecimal digits; different for different purposes."""
        return hmac.new(self.key, f"{purpose}\x1f{text}".encode(), hashlib.sha256).hexdigest()

    def fits(self, purpose: str, text: str, digest: str) -> bool:
        """Whether the digest was made of this text; takes the same time whatever the answer."""
        return digest.isascii() and hmac.compare_digest(self.of(purpose, text), digest)


def seal_of(database: Database) -> Seal:
    """The store's seal; its key is drawn when the store is first opened."""
    with database.write() as connection:
        fresh = insert(connection, table).values(name="seal", value=secrets.token_bytes(BYTES))
        connection.execute(fresh.on_conflict_do_nothing())
        return Seal(bytes(connection.execute(select(table.c.value).where(table.c.name == "seal")).scalar_one()))
