"""Failed attempts know for which account they were, so that it can be unlocked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Attempts of before count on: they end within a quarter of an hour."""
    op.add_column("attempts", sa.Column("account", sa.String(64)))
    op.create_index("attempts_of_account", "attempts", ["account"])


def downgrade() -> None:
    """As it was."""
    op.drop_index("attempts_of_account", "attempts")
    op.drop_column("attempts", "account")
