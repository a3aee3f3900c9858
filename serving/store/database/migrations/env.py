"""Runs migrations on the connection that serving/store/database/migrate.py hands over."""

from __future__ import annotations

from alembic import context

from serving.store.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
