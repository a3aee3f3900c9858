"""Entries of the audit trail are sealed one with the other from now on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = sa.String(64)


def upgrade() -> None:
    """Adds what seals an entry; those that are there stay without."""
    op.add_column("audit", sa.Column("number", NUMBER, nullable=True))
    op.add_column("audit", sa.Column("seal", DIGEST, nullable=True))
    op.create_table(
        "trail_head",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("seal", DIGEST, nullable=False),
        sa.Column("floor", NUMBER, nullable=False),
        sa.Column("floor_seal", DIGEST, nullable=False),
        sa.Column("own_seal", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )


def downgrade() -> None:
    """Removes it."""
    op.drop_table("trail_head")
    op.drop_column("audit", "seal")
    op.drop_column("audit", "number")
