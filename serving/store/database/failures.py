"""What an error of a driver means, in the store's own words: full, away, damaged, or a value that nothing can hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError as ValueRefused
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from data.contract import DataError, UsageError

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
POSTGRESQL_AWAY = ("08", "40", "53", "57")
POSTGRESQL_DAMAGED = "XX"
"""Classes of SQLSTATE: the connection failed, another one was in the way, resources are short, an operator intervened;
data are corrupt."""


class StoreError(DataError):
    """The store could not do what was asked; nothing of it happened."""


class StoreFull(StoreError):
    """The disk below the store is full. What was acknowledged is safe, and writing works again once there is room."""


class StoreAway(StoreError):
    """The database does not answer, or another process keeps it locked. Asking again later works."""


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
    if code in SQLITE_FULL or state == POSTGRESQL_FULL:
        return StoreFull("the disk below the store is full; nothing of this was stored, make room and send it again")
    if (code is not None and code & 0xFF in SQLITE_DAMAGED) or (state or "").startswith(POSTGRESQL_DAMAGED):
        return StoreDamaged(
            f"the store is damaged ({str(cause).splitlines()[0]}); nothing of this was stored. Stop what uses it and "
            "put a backup in its place, see docs/operations.md"
        )
    if code is not None and code & 0xFF in SQLITE_AWAY:
        return StoreAway(f"the store's file cannot be used now ({cause}); nothing of this was stored, send it again")
    if not isinstance(error, DBAPIError):
        return error
    broken = isinstance(error, OperationalError | InterfaceError) and (state is None or state[:2] in POSTGRESQL_AWAY)
    if code is None and (error.connection_invalidated or broken):
        return StoreAway("the database does not answer; nothing of this was acknowledged, send it again later")
    return error
