"""Copies of databases that are written to: by SQLite's own backup, and by PostgreSQL's pg_dump; and back."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import inspect, text

from data.contract import DataError, UsageError
from serving.backup.living_files import make_private
from serving.store.database.connection import Database
from serving.store.database.store_file import MAGIC

BESIDE = ("-wal", "-shm", "-journal")
"""Files that a database of SQLite's has beside it while it is in use: without them it is torn."""
REVISION = "alembic_version"
"""The table that says of which version the tables are. Only what is restored to its end has a row in it."""
NO_ACCOUNTS = ("--no-owner", "--no-privileges")
"""Accounts of one server may not be there on another."""


def is_sqlite(path: Path) -> bool:
    """Whether a file is a database of SQLite's, or lies beside one and belongs to it."""
    return _has_magic(path) or is_beside(path)


def is_beside(path: Path) -> bool:
    """Whether a file is part of a database of SQLite's, and not the database itself."""
    return any(
        path.name.endswith(suffix) and _has_magic(path.with_name(path.name.removesuffix(suffix))) for suffix in BESIDE
    )


def _has_magic(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def copy_sqlite(source: Path, place: Path) -> None:
    """A database as it is at one moment, in one file, while others read and write. Raises DataError for a damaged one.

    Under a write-ahead log writers go on meanwhile.
    """
    make_private(place.parent)
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        with closing(_opened(source)) as database, closing(sqlite3.connect(place)) as copy:
            database.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            state = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place)) from None
        raise DataError(f"{source} cannot be copied ({error}); it may be damaged: restore an earlier backup") from None
    if state != "ok":
        raise DataError(f"{source} is damaged ({state}) and is not backed up; restore an earlier backup")


def dump(database: Database, place: Path) -> None:
    """A database of PostgreSQL's as it is at one moment, without the row that says it is whole. Raises DataError."""
    options = ("--format=custom", f"--exclude-table-data=*.{REVISION}", f"--file={place}")
    quote = database.engine.dialect.identifier_preparer.quote_identifier
    own = () if database.schema is None else (f"--schema={quote(database.schema)}",)
    _run(database, "pg_dump", *options, *own, *NO_ACCOUNTS)
    place.chmod(0o600)


def undump(database: Database, place: Path) -> None:
    """Fills an empty database from a dump, all or nothing. Raises UsageError for one that is not empty, DataError."""
    with database.read() as connection:
        tables = inspect(connection).get_table_names()
    if tables:
        raise UsageError(f"the database is not empty (it has a table {tables[0]!r}); restore into a new one")
    _run(database, "pg_restore", "--single-transaction", "--exit-on-error", *NO_ACCOUNTS, str(place))


def size_of(database: Database) -> int:
    """Bytes of a database of PostgreSQL's; a dump takes less."""
    with database.read() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)


def _run(database: Database, program: str, *options: str) -> None:
    """Runs a program of PostgreSQL's on a database; a password goes through the environment, unseen by others."""
    _, words = database.engine.dialect.create_connect_args(database.engine.url)
    environment = os.environ | {"PGPASSWORD": str(words.pop("password", ""))}
    # Beside libpq's words there are objects of the driver's.
    where = make_conninfo(**{name: str(word) for name, word in words.items() if isinstance(word, str | int)})
    command = [program, "--no-password", f"--dbname={where}", *options]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError(
            f"{program} is not installed; it comes with PostgreSQL's client (Debian: postgresql-client), "
            "of the server's version or a newer one"
        ) from None
    if done.returncode:
        raise DataError(f"{program} cannot do that: {_reason(done.stderr.splitlines())}")


def _reason(lines: Sequence[str]) -> str:
    """The line that says what went wrong."""
    errors = [line for line in lines if "error" in line.lower()] or [*lines, "it did not say why"]
    return errors[0].partition(": ")[2] or errors[0]
