"""Brings a database to the tables of today; migrations stand in migrations/versions beside this file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from data.contract import DataError
from serving.store.database.connection import Database
from serving.store.database.schema import REVISION
from serving.store.database.wholeness import not_whole

FOLDER = Path(__file__).with_name("migrations")
LOCK = 7_305_108_261
"""Any number of our own: whoever holds PostgreSQL's lock by that number migrates, others wait."""


def migrate(database: Database) -> None:
    """Makes or migrates the tables, all or nothing.

    Raises DataError when a newer leadscore has made them, and for those that were not restored to their end.
    """
    with database.read() as connection:
        revision = revision_of(connection)
        if revision is None and inspect(connection).has_table("secrets"):
            raise not_whole()
    if revision == REVISION:
        return
    _upgrade(database)


def _upgrade(database: Database) -> None:
    # Imported late: half a second that a start on tables of today need not wait.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise DataError("the store was made by a newer leadscore; update this one, or name another store") from None


def revision_of(connection: Connection) -> str | None:
    """Of which migration the tables are; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
