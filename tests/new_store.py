"""Empty stores for tests, copied from one that migrations have made: to migrate anew takes longer than most tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from serving.store.database.connection import connect
from serving.store.database.migrate import migrate
from tests.postgres import Postgres

NewStore = Callable[[Path | str], str]
"""Makes a store and says its URL: of SQLite in the file of a path, of PostgreSQL in the database of a name."""
TEMPLATE = "migrated"


def sqlite_maker(folder: Path) -> NewStore:
    """What makes stores on SQLite; the one that they are copied from lies in `folder`."""
    template = migrated_sqlite(folder / f"{TEMPLATE}.db")

    def new_store(path: Path | str) -> str:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, path)  # only its owner may read it, as of any store
        return f"sqlite:///{path}"

    return new_store


def postgresql_maker(server: Postgres) -> NewStore:
    """What makes stores on PostgreSQL; the one that they are copied from is a database of the server's."""
    _migrated(server.database(TEMPLATE))
    return lambda name: server.database(str(name), f"TEMPLATE {TEMPLATE}")


def migrated_sqlite(path: Path) -> Path:
    """A file with the tables of a store and nothing else, to copy."""
    _migrated(f"sqlite:///{path}")
    return path


def _migrated(url: str) -> None:
    """Makes the tables and nothing else: every copy gets a key of its own when it is opened."""
    database = connect(url)
    migrate(database)
    database.close()
