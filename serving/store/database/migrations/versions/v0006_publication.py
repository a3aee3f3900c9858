"""What of the store follows the event log: which events and profiles, by which state of each lead, and who is away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns; what is there was sent by services, and nobody is away."""
    for table in ("events", "profiles"):
        op.add_column(table, sa.Column("published", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("leads", sa.Column("published", sa.String(64), nullable=True))
    op.add_column("leads", sa.Column("away_since", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Removes them: all of it counts as sent by services then."""
    for table in ("events", "profiles", "leads"):
        op.drop_column(table, "published")
    op.drop_column("leads", "away_since")
