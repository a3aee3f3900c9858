"""The database below the store: durable connections, short transactions, failures in the store's own words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from data.contract import UsageError
from serving.store.database.failures import in_plain_words, refuse_unkeepable
from serving.store.database.postgresql import address_of, engine_of
from serving.store.database.snapshot import Snapshots
from serving.store.database.store_file import StoreFile

BUSY_S = 5
"""Seconds that a connection waits for a database that another process is writing to, or that does not answer."""
CONNECTIONS = 24
AT_ONCE = 500
LAST = "leadscore last"
FILES = "leadscore files"
PRAGMAS: tuple[str, ...] = (
    f"PRAGMA busy_timeout = {BUSY_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)
OPENED = "SELECT count(*) FROM sqlite_master"
"""Reading opens the write-ahead log, which stays until the last connection is closed."""


@dataclass(frozen=True)
class Database:
    """An engine, and a lock that lets the threads of this process write to SQLite one after the other.

    file: that of SQLite, None for PostgreSQL. schema: in which the tables of PostgreSQL are, None for the role's own.
    """

    engine: Engine
    file: StoreFile | None = None
    schema: str | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _snapshots: Snapshots = field(default_factory=Snapshots)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that this thread reads is of one moment until the block ends, or until the thread writes."""
        with in_plain_words(), self._snapshots.one():
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises StoreAway."""
        with in_plain_words(), self._snapshots.reading(self._connect) as connection:
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
        with in_plain_words(), self._snapshots.interrupted(), turn:
            with self.engine.execution_options(writes=True).begin() as connection:
                connection.info.pop(LAST, None)  # what a transaction that was undone has left
                files = connection.info.get(FILES, ())
                yield connection
                for work in connection.info.pop(LAST, ()):
                    work(connection)
            if self.file is not None:
                # Only now it is certain which file the transaction is in.
                self.file.check_content(files)

    def check_writable(self) -> None:
        """Raises StoreReadOnly for a standby; nothing is written. Of SQLite only writing itself can tell."""
        if not self.is_sqlite:
            with self.write() as connection:
                # A standby refuses a row lock even where there is no row.
                connection.execute(text("SELECT name FROM secrets WHERE false FOR UPDATE"))

    @contextmanager
    def maintain(self) -> Iterator[Connection]:
        """A connection for what SQLite only does outside transactions. Raises StoreAway."""
        with in_plain_words(), self._snapshots.interrupted(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """As `maintain`, outside of any transaction and while no other thread of this process writes."""
        with self._turn, self.maintain() as connection:
            connection.exec_driver_sql("COMMIT")  # of what `_begin` has begun
            yield connection

    def table_name(self, table: Table) -> str:
        """How a table is called by who does not know in which schema the store is."""
        quote = self.engine.dialect.identifier_preparer.quote
        return table.name if self.schema is None else f"{quote(self.schema)}.{table.name}"

    def _connect(self) -> Connection:
        """A connection to the store that is there now."""
        connection = self.engine.connect()
        try:
            if self.file is not None:
                self.file.check(connection.info[FILES])
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Gives all connections back; the last one of SQLite empties the write-ahead log."""
        self.engine.dispose()
        if self.file is not None:
            self.file.close()


def before_commit(connection: Connection, work: Callable[[Connection], None]) -> None:
    """Has work done as the last of a transaction, once however often it is asked for."""
    connection.info.setdefault(LAST, {})[work] = None


def one_at_a_time(connection: Connection, number: int) -> None:
    """Waits, until this transaction ends, for all others that ask for the same number; SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(number)))


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
    kind, given, _ = url.partition("://")
    if not given:
        raise UsageError("the store's URL cannot be read; write sqlite:///var/store.db or postgresql://…")
    if kind.partition("+")[0] == "sqlite":
        return _sqlite(url)
    if kind.partition("+")[0] in ("postgresql", "postgres"):
        address = address_of(url)
        return Database(engine_of(address), schema=address.schema)
    raise UsageError(f"the store's URL begins with {kind!r}; write sqlite:///PATH or postgresql://…")


def _sqlite(text: str) -> Database:
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError("the store's URL cannot be read; write sqlite:///var/store.db") from None
    if url.database in (None, "", ":memory:"):
        raise UsageError("a store in memory would lose what it acknowledged; write sqlite:///PATH")
    file = StoreFile(Path(str(url.database)))
    file.path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": BUSY_S},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=BUSY_S,
    )
    event.listen(engine, "do_connect", lambda *_: file.make())
    event.listen(engine, "connect", partial(_prepare, file))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", refuse_unkeepable)
    return Database(engine, file)


def _prepare(file: StoreFile, connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    # SQLAlchemy begins transactions itself (`_begin`): sqlite3 would begin them too late to be safe.
    connection.isolation_level = None
    for statement in (*PRAGMAS, OPENED):
        _patiently(connection, statement)
    record.info[FILES] = file.files()


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """SQLite does not wait for its busy timeout where two change the journal's mode at once: one is refused."""
    last = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > last:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    # A reader that turns writer half-way fails at once when another has written: writers say so at the start.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
