"""Companies: who has named an account; and where leads stand along a chain of targets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index by account, and the column of the chain."""
    op.create_index("profiles_by_account", "profiles", ["account_id", "lead_id", "valid_from"])
    op.add_column("standings", sa.Column("chain", sa.Text()))


def downgrade() -> None:
    """As it was."""
    op.drop_column("standings", "chain")
    op.drop_index("profiles_by_account", "profiles")
