"""Why leads stand where they stand is kept when they are scored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table; the next scoring fills it."""
    op.create_table(
        "explanations",
        sa.Column("target", NAME, nullable=False),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("model_digest", NAME, nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("target", "lead_id"),
    )
    op.create_index("explanations_of_lead", "explanations", ["lead_id"])


def downgrade() -> None:
    """Removes it."""
    op.drop_table("explanations")
