"""Companies: who has named an account."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index by account."""
    op.create_index("profiles_by_account", "profiles", ["account_id", "lead_id", "valid_from"])


def downgrade() -> None:
    """As it was."""
    op.drop_index("profiles_by_account", "profiles")
