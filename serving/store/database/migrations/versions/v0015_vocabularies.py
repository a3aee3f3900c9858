"""Names that each key has brought, so that they can be bounded; those of before count when they are sent again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.store.database.schema.columns import NAME

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table."""
    op.create_table(
        "vocabularies",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("key", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
    )
    op.create_index("vocabularies_of_key", "vocabularies", ["key", "kind"])


def downgrade() -> None:
    """As it was."""
    op.drop_table("vocabularies")
