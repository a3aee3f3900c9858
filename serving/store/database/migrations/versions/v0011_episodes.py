"""Episodes: how long leads stay in a stage, why they came and why they left; the past from changes of stage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.store.database.schema.columns import NAME, NUMBER, TIME

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

REASON = """CASE {cause} WHEN 'threshold change' THEN 'threshold' WHEN 'model change' THEN 'model' WHEN 'override'
 THEN 'hand' WHEN 'override ended' THEN 'hand' WHEN 'converted' THEN 'bought' WHEN 'closed' THEN 'lost'
 ELSE {cause} END"""
RANK = "CASE {stage} WHEN 'MQL' THEN 1 WHEN 'SQL' THEN 2 WHEN 'customer' THEN 3 ELSE 0 END"
PAST = f"""
INSERT INTO episodes (lead_id, target, stage, entered_at, entered, nth, left_at, "left")
SELECT lead_id, target, stage, at, {REASON.format(cause="cause")}, nth, left_at,
  CASE WHEN ended IN ('score', 'first score', 'reopened')
    THEN CASE WHEN {RANK.format(stage="later")} > {RANK.format(stage="stage")} THEN 'went on' ELSE 'fell below' END
    ELSE {REASON.format(cause="ended")} END
FROM (
  SELECT id, lead_id, target, "after" AS stage, at, cause,
    row_number() OVER (PARTITION BY lead_id, target, "after" ORDER BY id) AS nth,
    lead(at) OVER (PARTITION BY lead_id, target ORDER BY id) AS left_at,
    lead(cause) OVER (PARTITION BY lead_id, target ORDER BY id) AS ended,
    lead("after") OVER (PARTITION BY lead_id, target ORDER BY id) AS later
  FROM stage_changes
) AS stays
ORDER BY id
"""
"""As training/thresholds/episodes.py derives them, by the rule of that time."""


def upgrade() -> None:
    """The table, filled from the changes that are known."""
    op.create_table(
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
    op.execute(PAST)
    op.create_index("episodes_of_lead", "episodes", ["lead_id", "target", "stage"], unique=False)
    op.create_index("episodes_by_time", "episodes", ["target", "stage", "entered_at"], unique=False)


def downgrade() -> None:
    """As it was."""
    op.drop_table("episodes")
