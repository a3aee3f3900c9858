"""Which deal an event is about, of events that the log tells of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; the next publication fills it where the log names deals."""
    op.add_column("events", sa.Column("deal", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Takes it out again."""
    op.drop_column("events", "deal")
