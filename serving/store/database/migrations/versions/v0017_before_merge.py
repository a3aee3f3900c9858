"""What a merged lead had under its own id until then: what came of its scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds both; the next publication fills them for leads that are merged already."""
    op.add_column("leads", sa.Column("merged_since", sa.BigInteger(), nullable=True))
    op.create_table(
        "events_before_merge",
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("event_type", NAME, nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("deal", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("lead_id", "number"),
    )


def downgrade() -> None:
    """Takes them out again."""
    op.drop_table("events_before_merge")
    op.drop_column("leads", "merged_since")
