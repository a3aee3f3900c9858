"""What sales did with leads, and the sections of Today in which they stand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger()
SECTIONED = ["probability", "lead_id"]
FIRST_SECTIONS = """
UPDATE standings SET worker = coalesce(owner, ''),
section = CASE WHEN probability IS NULL THEN 'rest' WHEN stage = 'SQL' THEN 'new' WHEN stage = 'MQL' THEN 'nurture'
ELSE 'rest' END
"""
"""What can be said without a history; the next scoring knows more."""


def upgrade() -> None:
    """Makes the table, the columns and their indices."""
    op.create_table(
        "work",
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("who", NAME, nullable=False),
        sa.Column("worker", NAME, nullable=False),
        sa.Column("reason", NAME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("target", NAME, nullable=False),
        sa.Column("stage", NAME, nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("waited", TIME, nullable=True),
        sa.PrimaryKeyConstraint("lead_id", "number"),
    )
    op.create_index("work_by_time", "work", ["target", "at"])
    op.add_column("standings", sa.Column("work_state", NAME, nullable=True))
    op.add_column("standings", sa.Column("worker", NAME, nullable=False, server_default=""))
    op.add_column("standings", sa.Column("due_at", TIME, nullable=True))
    op.add_column("standings", sa.Column("fell_at", TIME, nullable=True))
    op.add_column("standings", sa.Column("section", NAME, nullable=False, server_default="rest"))
    op.add_column("standings", sa.Column("latest", sa.Text(), nullable=True))
    op.execute(FIRST_SECTIONS)
    op.create_index("standings_by_section", "standings", ["target", "section", *SECTIONED])
    op.create_index("standings_by_worker", "standings", ["target", "worker", "section", *SECTIONED])
    op.create_index("leads_by_account", "leads", ["account_id", "lead_id"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index("standings_by_due", "standings", ["target", "due_at"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    """Removes them, and with them who has taken which lead."""
    op.drop_index("leads_by_account", "leads")
    for name in ("standings_by_due", "standings_by_worker", "standings_by_section"):
        op.drop_index(name, "standings")
    for name in ("work_state", "worker", "due_at", "fell_at", "section", "latest"):
        op.drop_column("standings", name)
    op.drop_table("work")
