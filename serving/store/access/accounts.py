"""Accounts of the people who use the page: argon2 hashes, and sessions as keyed hashes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import Signer
from sqlalchemy import Connection, delete, select, update

from data.contract import US_PER_SECOND, UsageError
from data.erasure.seal import Seal
from serving.store.access.lockout import LOCKED_MINUTES, Locked, Lockout
from serving.store.access.roles import ACCOUNT_ROLES
from serving.store.database.connection import Database, insert
from serving.store.database.schema import accounts, sessions

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
SHORTEST, LONGEST = 12, 1000
"""Characters of a password."""
LIFE = 12 * 3600 * US_PER_SECOND
"""A session ends so long after its beginning, whatever was done in it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who may sign in. created_at: µs UTC."""

    name: str
    role: str
    created_at: int


@dataclass(frozen=True)
class Accounts:
    """Creates and removes accounts, lets people in and knows them again."""

    _database: Database
    _seal: Seal
    _hasher: PasswordHasher = field(default_factory=PasswordHasher)

    def add(self, name: str, password: str, role: str, now: int) -> None:
        """A new account. Raises UsageError for a name that is taken or none, a short password, an unknown role."""
        if not NAME.fullmatch(name):
            raise UsageError(f"the account's name {name!r} must be 1 to 64 letters, digits or ._@-")
        if role not in ACCOUNT_ROLES:
            raise UsageError(f"role {role!r} is none of {', '.join(ACCOUNT_ROLES)}")
        row = {"name": name, "password": self._hash(password), "role": role, "created_at": now}
        with self._database.write() as connection:
            fresh = insert(connection, accounts).values(row).on_conflict_do_nothing()
            if connection.execute(fresh.returning(accounts.c.name)).first() is None:
                raise UsageError(f"there is an account {name!r} already; `leadscore users password` changes it")

    def list(self) -> list[Account]:
        """All accounts by name."""
        query = select(*_columns()).order_by(accounts.c.name)
        with self._database.read() as connection:
            return [Account(*row) for row in connection.execute(query)]

    def remove(self, name: str) -> None:
        """Removes an account and ends its sessions. Raises UsageError when there is none."""
        with self._database.write() as connection:
            _known(connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount, name)
            connection.execute(delete(sessions).where(sessions.c.account == name))

    def set_password(self, name: str, password: str) -> None:
        """Changes a password and ends the account's sessions. Raises UsageError as `add` does."""
        changed = update(accounts).where(accounts.c.name == name).values(password=self._hash(password))
        with self._database.write() as connection:
            _known(connection.execute(changed).rowcount, name)
            connection.execute(delete(sessions).where(sessions.c.account == name))

    def is_known(self, name: str) -> bool:
        """Whether there is an account of that name."""
        return self._password(name) is not None

    def sign_in(self, name: str, password: str, address: str, now: int, device: str = "") -> str | None:
        """The token of a new session, to be kept by the browser alone; None for a wrong name or password.

        Takes the same time for both. address: where the request came from. device: what `Lockout.device` once gave
        the browser, "" for nothing. Raises Locked after too many failures.
        """
        # Counted before the password is looked at, so that guesses made at once count like guesses in a row.
        with self._database.write() as connection:
            counted = self.lockout.count(connection, name, address, device, now)
        if counted is None:
            raise Locked(f"too many failed attempts; try again in {LOCKED_MINUTES} minutes")
        known = self._password(name)
        if not self._fits(known or self._nobody, password) or known is None:
            return None
        with self._database.write() as connection:
            self.lockout.forgive(connection, counted)
            return self._begin(connection, name, now)

    def unlock(self, name: str | None) -> None:
        """Forgets failures for an account, or all failures. Raises UsageError when there is no such account."""
        if name is not None:
            _known(int(self.is_known(name)), name)
        with self._database.write() as connection:
            self.lockout.forget(connection, name)

    def visitor(self, token: str, now: int) -> Account | None:
        """Whose session a token is, None for none that is valid now."""
        if not token or len(token) > 200 or not token.isascii():
            return None
        query = select(*_columns()).join(sessions, sessions.c.account == accounts.c.name)
        query = query.where(sessions.c.digest == self._seal.of("session", token), sessions.c.ends_at > now)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Account(*row)

    def sign_out(self, token: str) -> None:
        """Ends a session."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == self._seal.of("session", token)))

    def form_token(self, token: str) -> str:
        """What every form of a session must bring along, so that no other site can send one in its name."""
        return self._seal.of("form", token)

    def is_form_token(self, token: str, sent: str) -> bool:
        """Whether a form was made for this session."""
        return sent.isascii() and self._seal.fits("form", token, sent)

    def seal_link(self, name: str, address: str) -> str:
        """What proves that an account has made an address, until it is removed or its password changes.

        Raises UsageError when there is no such account.
        """
        password = self._password(name)
        _known(0 if password is None else 1, name)
        return self._signer(str(password)).get_signature(address).decode()

    def linked(self, name: str, address: str, sent: str) -> Account | None:
        """The account that has made an address, None when it has not, or no more."""
        password = self._password(name)
        if password is None or not sent.isascii() or not self._has_signed(password, address, sent):
            return None
        with self._database.read() as connection:
            row = connection.execute(select(*_columns()).where(accounts.c.name == name)).one_or_none()
        return None if row is None else Account(*row)

    def _signer(self, password: str) -> Signer:
        """Under a key that holds the hash of the password, so that a new one ends what was signed before."""
        return Signer(self._seal.key, f"link\x1f{password}", key_derivation="hmac", digest_method=sha256)

    def _has_signed(self, password: str, address: str, sent: str) -> bool:
        """Links of version 0.1, which live for 30 days, have a signature of another form."""
        is_old = self._seal.fits("link", f"{password}\x1f{address}", sent)
        return self._signer(password).verify_signature(address, sent) or is_old

    def _begin(self, connection: Connection, name: str, now: int) -> str:
        token = secrets.token_urlsafe(32)
        row = {"digest": self._seal.of("session", token), "account": name, "ends_at": now + LIFE}
        connection.execute(delete(sessions).where(sessions.c.ends_at <= now))
        connection.execute(sessions.insert().values(row))
        return token

    def _password(self, name: str) -> str | None:
        """The hash of an account's password."""
        if not NAME.fullmatch(name):
            return None
        with self._database.read() as connection:
            return connection.scalar(select(accounts.c.password).where(accounts.c.name == name))

    def _hash(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(f"the password has {len(password)} characters; choose {SHORTEST} to {LONGEST}")
        return self._hasher.hash(password)

    def _fits(self, known: str, password: str) -> bool:
        try:
            return len(password) <= LONGEST and self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    @cached_property
    def lockout(self) -> Lockout:
        """Who is locked out."""
        return Lockout(self._seal)

    @cached_property
    def _nobody(self) -> str:
        """A hash that is compared where there is no account, so that the time does not tell."""
        return self._hasher.hash(secrets.token_urlsafe())


def _columns() -> Iterator[Any]:
    return (accounts.c[name] for name in Account.__slots__)


def _known(rows: int, name: str) -> None:
    if not rows:
        raise UsageError(f"there is no account {name!r}; `leadscore users list` shows which there are")
