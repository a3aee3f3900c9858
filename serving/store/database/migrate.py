"""Brings a database to the tables of today; migrations stand in migrations/versions beside this file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from data.contract import DataError, UsageError
from serving.store.database.connection import Database
from serving.store.database.failures import StoreForbidden
from serving.store.database.schema import REVISION
from serving.store.database.wholeness import not_whole

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).with_name("migrations")
LOCK = 7_305_108_261
"""Any number of our own: whoever holds PostgreSQL's lock by that number migrates, others wait."""
PATIENT = "SET LOCAL statement_timeout = 0"
"""A migration may take longer than what a role may ask for otherwise."""
RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
)
"""What a role needs that serves, and makes no tables."""


def migrate(database: Database) -> None:
    """Makes or migrates the tables, all or nothing.

    Raises DataError when a newer leadscore has made them, when the role may not make them, for those that were not
    restored to their end, and for a database that cannot hold all texts; StoreReadOnly.
    """
    with database.read() as connection:
        if not database.is_sqlite:
            _check_encoding(connection)
        revision = revision_of(connection)
        if revision is None and inspect(connection).has_table("secrets"):
            raise not_whole()
    if revision == REVISION:
        return
    try:
        _upgrade(database)
    except StoreForbidden as error:
        there = "of an older leadscore" if revision else "not there"
        raise DataError(
            f"the store's tables are {there}, and this role may not make them ({error.reason}): have a role that may "
            "run `leadscore store migrate --store URL --grant ROLE`, or what it prints with --sql"
        ) from None


def migration_sql(database: Database) -> str:
    """What `migrate` would do to a database, as SQL for who does it by hand; nothing where there is nothing to do."""
    from alembic import command

    with database.read() as connection:
        revision = revision_of(connection)
    if revision == REVISION:
        return ""
    written = io.StringIO()
    config = _config(written)
    config.attributes["dialect"] = database.engine.dialect.name
    command.upgrade(config, f"{revision or 'base'}:head", sql=True)
    where = "" if database.schema is None else f"SET LOCAL search_path TO {_quoted(database, database.schema)};\n"
    return f"BEGIN;\n{where}{written.getvalue()}COMMIT;\n"


def rights_of(database: Database, role: str) -> tuple[str, ...]:
    """Statements that let a role of PostgreSQL's serve from the tables."""
    schema = database.schema
    if schema is None:
        with database.read() as connection:
            schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
    return tuple(right.format(schema=_quoted(database, schema), role=_quoted(database, role)) for right in RIGHTS)


def grant(database: Database, role: str) -> None:
    """Lets a role of PostgreSQL's serve from the tables.

    Raises UsageError for a role that is not there, StoreForbidden for who may not say so.
    """
    rights = rights_of(database, role)
    with database.write() as connection:
        if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is None:
            raise UsageError(f"--grant {role!r} is no role of this PostgreSQL; have it made (CREATE ROLE … LOGIN)")
        for right in rights:
            connection.exec_driver_sql(right)


def _upgrade(database: Database) -> None:
    # Imported late: half a second that a start on tables of today need not wait.
    from alembic import command
    from alembic.util.exc import CommandError

    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text(PATIENT))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise DataError("the store was made by a newer leadscore; update this one, or name another store") from None


def _config(written: io.StringIO | None = None) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _check_encoding(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise DataError(
            f"the database is in {encoding}, which cannot hold every name; make one in UTF-8 (CREATE DATABASE … "
            "ENCODING 'UTF8' TEMPLATE template0) and name that"
        )


def _quoted(database: Database, name: str) -> str:
    return database.engine.dialect.identifier_preparer.quote_identifier(name)


def revision_of(connection: Connection) -> str | None:
    """Of which migration the tables are; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
