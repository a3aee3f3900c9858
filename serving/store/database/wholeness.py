"""Whether a store is whole: one that is being restored opens for nobody until it is.

A dump of PostgreSQL's comes without the row that says of which revision its tables are (`migrate` refuses that). It
gets it together with a mark that stays until workspace and store are both in place, without those who were erased.
"""

from __future__ import annotations

from sqlalchemy import delete, select, text

from data.contract import DataError
from serving.store.database.connection import Database
from serving.store.database.schema import secrets

MARK = "restoring"


def begin(database: Database, revision: str) -> None:
    """Says of which revision the tables are, and that nobody may use them yet."""
    with database.write() as connection:
        connection.execute(secrets.insert().values(name=MARK, value=b""))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def end(database: Database) -> None:
    """From now on it is a store like any other."""
    with database.write() as connection:
        connection.execute(delete(secrets).where(secrets.c.name == MARK))


def check_whole(database: Database) -> None:
    """Raises DataError for a store whose restoring was cut off."""
    with database.read() as connection:
        if connection.scalar(select(secrets.c.name).where(secrets.c.name == MARK)) is not None:
            raise not_whole()


def not_whole() -> DataError:
    """What is said of such a store."""
    return DataError("the store was not restored to its end; restore the backup into a new, empty database")
