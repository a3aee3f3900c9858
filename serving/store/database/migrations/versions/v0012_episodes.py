"""Episodes: how long leads stay in a stage, why they came and why they left; the past from changes of stage."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from serving.store.database.schema import NAME, NUMBER, TIME

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REASONS = {
    "first score": "first score",
    "score": "score",
    "threshold change": "threshold",
    "model change": "model",
    "override": "hand",
    "override ended": "hand",
    "converted": "bought",
    "closed": "lost",
    "reopened": "reopened",
}
RANK = {"unqualified": 0, "MQL": 1, "SQL": 2, "customer": 3}
AT_ONCE = 5_000


def upgrade() -> None:
    """The table, filled from the changes that are known."""
    episodes = op.create_table(
        "episodes",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("entered_at", TIME, nullable=False),
        sa.Column("entered", NAME, nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("left_at", TIME),
        sa.Column("left", NAME),
    )
    op.create_index("episodes_of_lead", "episodes", ["lead_id", "target", "stage"], unique=False)
    op.create_index("episodes_by_time", "episodes", ["target", "stage", "entered_at"], unique=False)
    query = sa.text("SELECT lead_id, target, at, after, cause FROM stage_changes ORDER BY lead_id, target, id")
    waiting = []
    for (lead_id, target), changes in groupby(op.get_bind().execute(query), key=lambda row: (row[0], row[1])):
        waiting += _episodes(lead_id, target, [tuple(change)[2:] for change in changes])
        if len(waiting) >= AT_ONCE:
            op.bulk_insert(episodes, waiting)
            waiting = []
    op.bulk_insert(episodes, waiting)


def downgrade() -> None:
    """As it was."""
    op.drop_table("episodes")


def _episodes(lead_id: str, target: str, changes: list[tuple[int, str, str]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for place, (at, stage, cause) in enumerate(changes):
        following = changes[place + 1] if place + 1 < len(changes) else None
        rows.append(
            {
                "lead_id": lead_id,
                "target": target,
                "stage": stage,
                "entered_at": at,
                "entered": REASONS.get(cause, cause),
                "nth": 1 + sum(row["stage"] == stage for row in rows),
                "left_at": following and following[0],
                "left": following and _left(stage, following),
            }
        )
    return rows


def _left(stage: str, following: tuple[int, str, str]) -> str:
    reason = REASONS.get(following[2], following[2])
    if reason not in ("score", "first score", "reopened"):
        return reason
    return "went on" if RANK.get(following[1], 0) > RANK.get(stage, 0) else "fell below"
