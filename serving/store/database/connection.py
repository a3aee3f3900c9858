"""The database below the store: durable connections, short transactions, failures in the store's own words."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, TimeoutError

from data.contract import DataError, UsageError

BUSY_S = 5
"""Seconds that a connection waits for a database that another process is writing to, or that does not answer."""
CONNECTIONS = 20
AT_ONCE = 500
SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC)
SQLITE_AWAY = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
)
LAST = "leadscore last"
POSTGRESQL_FULL = "53100"
POSTGRESQL_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: the connection failed, resources are short, an operator intervened."""
PRAGMAS: tuple[str, ...] = (
    f"PRAGMA busy_timeout = {BUSY_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)
# A silent network is given up after seconds, and an acknowledged commit is on disk whatever the server's default.
POSTGRESQL = {
    "connect_timeout": BUSY_S - 2,
    "tcp_user_timeout": BUSY_S * 1000,
    "keepalives_idle": BUSY_S,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "application_name": "leadscore",
    "options": "-c synchronous_commit=on -c timezone=UTC",
}


class StoreError(DataError):
    """The store could not do what was asked; nothing of it happened."""


class StoreFull(StoreError):
    """The disk below the store is full. What was acknowledged is safe, and writing works again once there is room."""


class StoreAway(StoreError):
    """The database does not answer, or another process keeps it locked. Asking again later works."""


@dataclass(frozen=True)
class Database:
    """An engine, and a lock that lets the threads of this process write to SQLite one after the other."""

    engine: Engine
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises StoreAway."""
        with _in_plain_words(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def read_in_turn(self) -> Iterator[Connection]:
        """As `read`, for short reads of many rows: on SQLite one thread after the other.

        Its driver gives the interpreter away at every row; threads that read at the same time would spend most of
        theirs on taking it from each other.
        """
        with self._reading if self.is_sqlite else nullcontext(), self.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: on disk when the block has ended, undone when it raises. Raises StoreFull, StoreAway."""
        turn = self._turn if self.is_sqlite else nullcontext()
        with _in_plain_words(), turn, self.engine.execution_options(writes=True).begin() as connection:
            connection.info.pop(LAST, None)  # what a transaction that was undone has left
            yield connection
            for work in connection.info.pop(LAST, ()):
                work(connection)

    @contextmanager
    def maintain(self) -> Iterator[Connection]:
        """A connection for what a database only does outside transactions. Raises StoreAway."""
        with _in_plain_words(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """As `maintain`, of SQLite, outside of any transaction and while no other thread of this process writes."""
        with self._turn, self.maintain() as connection:
            connection.exec_driver_sql("COMMIT")  # of what `_begin` has begun
            yield connection

    def close(self) -> None:
        """Gives all connections back; the last one of SQLite empties the write-ahead log."""
        self.engine.dispose()


def before_commit(connection: Connection, work: Callable[[Connection], None]) -> None:
    """Has work done as the last of a transaction, once however often it is asked for."""
    connection.info.setdefault(LAST, {})[work] = None


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of the connection's database."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def chunks(values: Sequence[str]) -> Iterator[list[str]]:
    """The values in lists of a length that one query may ask for."""
    for start in range(0, len(values), AT_ONCE):
        yield list(values[start : start + AT_ONCE])


def connect(url: str) -> Database:
    """A database by its URL, sqlite:///PATH or postgresql://…; nothing is read or made yet but SQLite's folder.

    Raises UsageError for any other URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("the store's URL cannot be read; write sqlite:///var/store.db or postgresql://…") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return Database(_sqlite(parsed))
    if kind == "postgresql":
        return Database(_postgresql(parsed))
    raise UsageError(f"the store's URL begins with {kind!r}; write sqlite:///PATH or postgresql://…")


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise UsageError("a store in memory would lose what it acknowledged; write sqlite:///PATH")
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": BUSY_S},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=BUSY_S,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=POSTGRESQL,
        isolation_level="READ COMMITTED",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=BUSY_S,
        pool_pre_ping=True,
    )


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # SQLAlchemy begins transactions itself (`_begin`): sqlite3 would begin them too late to be safe.
    connection.isolation_level = None
    for pragma in PRAGMAS:
        _patiently(connection, pragma)


def _patiently(connection: sqlite3.Connection, pragma: str) -> None:
    """SQLite does not wait for its busy timeout where two change the journal's mode at once: one is refused."""
    last = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > last:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    # A reader that turns writer half-way fails at once when another has written: writers say so at the start.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _explained(error) from error
    except TimeoutError as error:
        raise StoreAway(f"the store is busy: no connection became free within {BUSY_S} s; ask again later") from error


def _explained(error: DBAPIError) -> Exception:
    """StoreFull or StoreAway where that is what the driver's error means; any other is a bug and stays."""
    cause: Any = error.orig
    code = getattr(cause, "sqlite_errorcode", None)
    state = getattr(cause, "sqlstate", None)
    if code in SQLITE_FULL or state == POSTGRESQL_FULL:
        return StoreFull("the disk below the store is full; nothing of this was stored, make room and send it again")
    if code is not None and code & 0xFF in SQLITE_AWAY:
        return StoreAway(f"the store's file cannot be used now ({cause}); nothing of this was stored, send it again")
    broken = isinstance(error, OperationalError | InterfaceError) and (state is None or state[:2] in POSTGRESQL_AWAY)
    if code is None and (error.connection_invalidated or broken):
        return StoreAway("the database does not answer; nothing of this was acknowledged, send it again later")
    return error


def restrict(path: Path) -> None:
    """Only the owner may read the store: it holds what leads did, and the key of the erased."""
    if path.exists():
        os.chmod(path, 0o600)
