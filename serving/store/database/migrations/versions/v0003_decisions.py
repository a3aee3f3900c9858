"""A person's decision about a lead's stage stands beside what the model says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger()


def upgrade() -> None:
    """Makes the columns; until the next scoring the model's stage is the one that stood there."""
    op.add_column("standings", sa.Column("model_stage", NAME, nullable=False, server_default="unqualified"))
    op.execute("UPDATE standings SET model_stage = stage")
    for name in ("override_reason", "override_by"):
        op.add_column("standings", sa.Column(name, NAME, nullable=True))
    for name in ("override_at", "override_until"):
        op.add_column("standings", sa.Column(name, TIME, nullable=True))


def downgrade() -> None:
    """Removes them: who decided why is then known to the audit trail alone."""
    for name in ("model_stage", "override_reason", "override_by", "override_at", "override_until"):
        op.drop_column("standings", name)
