"""Thresholds that people publish; where leads come from, and summaries that are made at each scoring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.BigInteger()


def upgrade() -> None:
    """Makes tables and columns; the next scoring fills them."""
    op.create_table(
        "threshold_changes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("model_version", NAME, nullable=False),
        sa.Column("model_digest", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", NAME, nullable=False),
        sa.Column("reason", NAME, nullable=False),
        sa.Column("threshold", sa.Text(), nullable=False),
        sa.Column("taken_up_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("threshold_changes_of_model", "threshold_changes", ["target", "model_digest", "id"])
    op.create_table(
        "summaries",
        sa.Column("target", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("target", "name"),
    )
    op.add_column("standings", sa.Column("magnet", NAME, nullable=True))
    op.add_column("standings", sa.Column("came_at", TIME, nullable=True))


def downgrade() -> None:
    """Removes them: models follow their own thresholds again."""
    for name in ("magnet", "came_at"):
        op.drop_column("standings", name)
    for name in ("threshold_changes", "summaries"):
        op.drop_table(name)
