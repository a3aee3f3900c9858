"""An index of the few leads that are absent: whoever counts present ones reads no row of a lead for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds it."""
    op.create_index(
        "leads_absent",
        "leads",
        ["lead_id"],
        unique=True,
        sqlite_where=sa.text("objection = 1 OR away_since IS NOT NULL"),
        postgresql_where=sa.text("objection OR away_since IS NOT NULL"),
    )


def downgrade() -> None:
    """Takes it out again."""
    op.drop_index("leads_absent", "leads")
