"""In which campaign an event happened and with what asset, and which of them brought a lead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = ("events", "standings")
CONTEXT = ("campaign", "asset")


def upgrade() -> None:
    """Adds the columns, and the index of the few events that have them."""
    for table in TABLES:
        for name in CONTEXT:
            op.add_column(table, sa.Column(name, NAME, nullable=True))
    there = sa.text("campaign IS NOT NULL OR asset IS NOT NULL")
    columns = ["lead_id", "occurred_at"]
    op.create_index("events_with_context", "events", columns, sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    """Takes them out again."""
    op.drop_index("events_with_context", "events")
    for table in TABLES:
        for name in CONTEXT:
            op.drop_column(table, name)
