"""Runs migrations on the connection that serving/store/database/migrate.py hands over, or writes them down as SQL."""

from __future__ import annotations

from alembic import context

from serving.store.database.schema import metadata

if context.is_offline_mode():
    context.configure(dialect_name=context.config.attributes["dialect"], target_metadata=metadata)
else:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
