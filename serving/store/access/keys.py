"""API keys: shown once, kept as keyed hashes, each with one role."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import select, update

from data.contract import UsageError
from data.erasure.seal import Seal
from serving.store.access.roles import KEY_ROLES
from serving.store.database.connection import Database
from serving.store.database.schema import keys

MARK = "ls"
"""Secrets are ls_PREFIX_REST; the prefix finds the key and may be shown, the rest is 256 random bits."""


@dataclass(frozen=True, slots=True)
class Key:
    """What may be told of a key. Times are µs UTC; revoked_at: None while it is valid."""

    prefix: str
    role: str
    label: str
    created_at: int
    revoked_at: int | None


class Keys:
    """Creates, lists, revokes and verifies keys."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def create(self, role: str, label: str, now: int) -> str:
        """A new secret, to be shown once: it cannot be read again. Raises UsageError for an unknown role."""
        if role not in KEY_ROLES:
            raise UsageError(f"role {role!r} is none of {', '.join(KEY_ROLES)}")
        prefix, rest = secrets.token_hex(4), secrets.token_urlsafe(32)
        secret = f"{MARK}_{prefix}_{rest}"
        row = {"prefix": prefix, "digest": self._seal.of("key", secret), "role": role, "label": label[:200]}
        with self._database.write() as connection:
            connection.execute(keys.insert().values(**row, created_at=now))
        return secret

    def list(self) -> list[Key]:
        """All keys, the oldest first; revoked ones too."""
        with self._database.read() as connection:
            query = select(*(keys.c[name] for name in Key.__slots__)).order_by(keys.c.created_at, keys.c.prefix)
            return [Key(*row) for row in connection.execute(query)]

    def revoke(self, prefix: str, now: int) -> None:
        """From now on the key opens nothing. Raises UsageError when there is no such key."""
        with self._database.write() as connection:
            statement = update(keys).where(keys.c.prefix == prefix, keys.c.revoked_at.is_(None)).values(revoked_at=now)
            if not connection.execute(statement).rowcount:
                raise UsageError(f"there is no valid key {prefix!r}; `leadscore keys list` shows which there are")

    def verify(self, secret: str) -> Key | None:
        """The key of a secret, None when it is unknown or revoked. Takes the same time for a right and a wrong rest."""
        parts = secret.split("_", 2)
        if len(parts) != 3 or parts[0] != MARK or not secret.isascii() or len(secret) > 200 or "\0" in secret:
            return None
        with self._database.read() as connection:
            row = connection.execute(select(keys).where(keys.c.prefix == parts[1])).one_or_none()
        if row is None or not self._seal.fits("key", secret, row.digest) or row.revoked_at is not None:
            return None
        return Key(row.prefix, row.role, row.label, row.created_at, row.revoked_at)
