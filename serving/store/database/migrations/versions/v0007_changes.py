"""Changes of leads get numbers in the order of their commits, so that who reads them by number misses none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leads that are there have number 0: they changed before all that follows."""
    op.add_column("leads", sa.Column("change", sa.BigInteger(), nullable=True, server_default="0"))
    op.create_index("leads_by_number", "leads", ["change", "lead_id"], unique=False)
    changes = op.create_table("changes", sa.Column("number", sa.BigInteger(), nullable=False))
    op.bulk_insert(changes, [{"number": 0}])


def downgrade() -> None:
    """Removes them."""
    op.drop_table("changes")
    op.drop_index("leads_by_number", "leads")
    op.drop_column("leads", "change")
