"""The command that makes and migrates the tables of the store, so that servers need no right to do it themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import VAR, StoreUrl, Var, store_url
from console import Screen
from data.contract import UsageError

store = typer.Typer(no_args_is_help=True, help="Tables of the store: make or migrate them.")


@store.callback()
def tables() -> None:
    """Tables of the store: make or migrate them."""


@store.command()
def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="show the statements instead, and do nothing")] = False,
    grant: Annotated[str | None, typer.Option(help="role of PostgreSQL's that shall serve from the tables")] = None,
    store: StoreUrl = None,
    var: Var = VAR,
) -> None:
    """Make the store's tables, or bring them to today's form. All or nothing; again does no harm."""
    from serving.store.database import migrate
    from serving.store.database.connection import connect
    from serving.store.database.schema import REVISION

    screen, database = Screen(), connect(store_url(var, store))
    if grant is not None and database.is_sqlite:
        raise UsageError("--grant is for PostgreSQL; who may use a file of SQLite is said by its owner")
    try:
        if sql:
            rights = () if grant is None else migrate.rights_of(database, grant)
            screen.tell(migrate.migration_sql(database) + "".join(f"{right};\n" for right in rights))
            return
        migrate.migrate(database)
        if grant is not None:
            migrate.grant(database, grant)
    finally:
        database.close()
    screen.tell(f"the store's tables are those of revision {REVISION}")
