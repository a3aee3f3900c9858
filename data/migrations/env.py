"""Runs migrations on the connection that data/store_migrations.py hands over."""

from __future__ import annotations

from alembic import context

from data.store_schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
