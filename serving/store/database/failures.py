"""What an error of a driver means, in the store's own words: full, away, damaged, or a value that nothing can hold."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError as ValueRefused
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from data.contract import DataError, UsageError
from serving.store.database.schema import metadata

SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC)
SQLITE_AWAY = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
)
SQLITE_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
POSTGRESQL_FULL = "53100"
POSTGRESQL_AWAY = ("08", "25", "40", "53", "55", "57")
POSTGRESQL_DAMAGED = "XX"
"""Classes of SQLSTATE: the connection failed, a transaction was ended, another one was in the way, resources are short,
an object is in use, an operator intervened; data are corrupt."""
READ_ONLY, FORBIDDEN, NO_SCHEMA = "25006", "42501", "3F000"
TOO_MANY = "too many connections|too many clients|connection slots are reserved"
NOT_STORED = "nothing of this was stored"
STATES = {
    READ_ONLY: "the database takes no writes: it is a standby, or was set read-only; {nothing}. Reading goes on, and "
    "writing again as soon as it is promoted",
    "57014": "a statement took longer than the database's statement_timeout lets it, or was cancelled; {nothing}, send "
    "less at once, or have the time-out of the store's role raised",
    "55P03": "another one holds what is to be written for longer than the database's lock_timeout; {nothing}, send it "
    "again",
    FORBIDDEN: "the store's role may not do that ({cause}); {nothing}, have the owner of the database grant it by "
    "`leadscore store migrate --grant ROLE`",
    NO_SCHEMA: "there is no schema to make the store's tables in; have it made (CREATE SCHEMA), or name another by "
    "?schema= in the store's URL",
}
"""What an SQLSTATE means, in words of ours."""
REFUSALS = {
    TOO_MANY: "the database has too many connections and no room for this one; close others, raise its "
    "max_connections, or give each server of this store less (?connections= in its URL)",
    "password|authentication failed|SASL": "the database refuses the store's role or its password; check the store's "
    "URL, or the password's file",
    "pg_hba.conf": "the database does not let this role in from here, with or without TLS: see its "
    "pg_hba.conf, or ask for TLS by ?sslmode=require in the store's URL",
    "root certificate": "the file of sslrootcert in the store's URL is not there, or holds no certificate; name "
    "that of the authority that has signed the server's",
    "certificate verify failed": "the database's certificate is not signed by the authority of sslrootcert in the "
    "store's URL, or its time is over; another server may answer in its place: nothing was sent",
    "does not match host name": "the database's certificate is for another host than the store's URL names; use the "
    "name in it, or have it made for this one. Nothing was sent",
    "SSL|TLS|certificate": "the database and the store's URL do not agree on TLS; check sslmode and sslrootcert in "
    "the URL, and the server's certificate",
    "database .* does not exist|no such database": "there is no database of that name; have it made, or check the "
    "store's URL",
    "role .* does not exist|no such user": "the database knows no such role; have it made, or check the store's URL",
    "unsupported startup parameter": "the pooler before the database takes no `options`; take them out of the store's "
    "URL, where ?schema= does without them",
    "starting up|shutting down|recovery mode|not yet accepting": "the database is starting or stopping; ask again soon",
    "read-only": "no host of the store's URL takes writes now",
    "resolve|translate host": "the name of the database's host leads nowhere; check the store's URL and the "
    "name service",
}
"""What the words mean with which a connection is refused: there is no SQLSTATE then. The first that fits holds."""


class StoreError(DataError):
    """The store could not do what was asked; nothing of it happened."""


class StoreFull(StoreError):
    """The disk below the store is full. What was acknowledged is safe, and writing works again once there is room."""


class StoreAway(StoreError):
    """The database does not answer, or another process keeps it locked. Asking again later works."""


class StoreReadOnly(StoreAway):
    """The database can be read and takes no writes: a standby. It works again once it is promoted, by itself."""


class StoreForbidden(StoreAway):
    """The store's role lacks a right. reason: in the database's words. It works once the right is granted."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class StoreDamaged(StoreAway):
    """The database is not what it was: removed, replaced or damaged. It works again once a person has mended that."""


class Unkeepable(UsageError):
    """A value that no database could hold or compare has come as far as a statement; nothing of it happened."""


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Raises what the driver says as one of the above; an error that is none of them is a bug and stays."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise _explained(error) from error
    except TimeoutError as error:
        raise StoreAway("the store is busy: no connection became free in time; ask again later") from error


def refuse_unkeepable(context: ExceptionContext) -> None:
    """Listens to `handle_error`: whatever door a value came through, it is refused and makes no server fail."""
    cause = context.original_exception
    if isinstance(cause, OverflowError | UnicodeEncodeError) or isinstance(context.sqlalchemy_exception, ValueRefused):
        raise Unkeepable(
            "a value cannot be kept or compared: a number beyond 64 bits, NUL or half a character"
        ) from None


def _explained(error: DBAPIError | sqlite3.Error) -> Exception:
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    state = getattr(cause, "sqlstate", None)
    if (table := _missing_table(cause)) is not None:
        return StoreDamaged(
            f"the store's table {table} is missing: another one took it away, or another schema is "
            "searched; put a backup in its place, see docs/operations.md"
        )
    if code in SQLITE_FULL or state == POSTGRESQL_FULL:
        return StoreFull("the disk below the store is full; nothing of this was stored, make room and send it again")
    if (code is not None and code & 0xFF in SQLITE_DAMAGED) or (state or "").startswith(POSTGRESQL_DAMAGED):
        return StoreDamaged(
            f"the store is damaged ({_first_line(cause)}); nothing of this was stored. Stop what uses it and "
            "put a backup in its place, see docs/operations.md"
        )
    if code is not None and code & 0xFF in SQLITE_AWAY:
        return StoreAway(f"the store's file cannot be used now ({cause}); nothing of this was stored, send it again")
    if not isinstance(error, DBAPIError):
        return error
    if state in STATES:
        words = STATES[state].format(nothing=NOT_STORED, cause=_first_line(cause))
        if state == FORBIDDEN:
            return StoreForbidden(words, _first_line(cause))
        return StoreReadOnly(words) if state == READ_ONLY else StoreAway(words)
    broken = isinstance(error, OperationalError | InterfaceError) and (state is None or state[:2] in POSTGRESQL_AWAY)
    if code is None and (error.connection_invalidated or broken):
        refused = None if state else _refusal(str(cause))
        return StoreAway(
            refused or "the database does not answer; nothing of this was acknowledged, send it again later"
        )
    return error


def is_too_many(error: BaseException) -> bool:
    """Whether a connection was refused because the database has as many as it takes."""
    return getattr(error, "sqlstate", None) == "53300" or re.search(TOO_MANY, str(error)) is not None


def _refusal(words: str) -> str | None:
    """Why a connection was refused; None where nobody answered."""
    for pattern, meaning in REFUSALS.items():
        if re.search(pattern, words):
            return meaning
    # A server that speaks another language.
    match = re.search(r"failed: \w+: +(.*)", words)
    return None if match is None else f"the database refuses the connection: {match[1]}"


def _missing_table(cause: Any) -> str | None:
    """A table of the store that is not there."""
    words = str(cause).partition("\n")[0]
    if getattr(cause, "sqlstate", None) != "42P01" and not words.startswith("no such table: "):
        return None
    names = re.findall(r"\w+", words)
    return next((name for name in metadata.tables if name in names), None)


def _first_line(cause: Any) -> str:
    return str(cause).partition("\n")[0]
