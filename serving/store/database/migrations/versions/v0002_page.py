"""What the page needs: accounts, sessions, attempts to sign in; and what a list shows of where a lead stands."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger()
DIGEST = sa.String(64)
OUTLOOK: dict[str, sa.types.TypeEngine[Any]] = {
    "before": sa.Double(),
    "fit": sa.Double(),
    "engagement": sa.Double(),
    "reason": NAME,
    "reason_value": NAME,
    "active_at": TIME,
    "contacts": sa.Integer(),
    "ignored": sa.Integer(),
    "channel": NAME,
    "country": NAME,
    "owner": NAME,
    "rising": sa.Boolean(),
    "untouched": sa.Boolean(),
    "pressed": sa.Boolean(),
}
FILTERS = ("rising", "untouched", "pressed", "channel", "country", "owner")


def upgrade() -> None:
    """Makes tables, columns and indices."""
    _accounts()
    for name, kind in OUTLOOK.items():
        op.add_column("standings", sa.Column(name, kind, nullable=True))
    op.create_index("standings_by_stage_score", "standings", ["target", "stage", "probability", "lead_id"])
    op.create_index("standings_by_activity", "standings", ["target", "active_at", "lead_id"])
    for name in FILTERS:
        there = sa.text(f"{name} IS NOT NULL")
        columns = ["target", name, "probability", "lead_id"]
        op.create_index(f"standings_by_{name}", "standings", columns, sqlite_where=there, postgresql_where=there)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", NAME, nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_of_account", "sessions", ["account"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("subject", DIGEST, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )


def downgrade() -> None:
    """Removes them: nobody can sign in any more."""
    for name in ("stage_score", "activity", *FILTERS):
        op.drop_index(f"standings_by_{name}", "standings")
    for name in OUTLOOK:
        op.drop_column("standings", name)
    for name in ("attempts", "sessions", "accounts"):
        op.drop_table(name)
