"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger()
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = sa.String(64)


def upgrade() -> None:
    """Makes all tables."""
    _events()
    _leads()
    _profiles()
    _attributes()
    _scores()
    _standings()
    _stage_changes()
    _rejected()
    _blocked()
    _secrets()
    _keys()
    _answers()
    _audit()
    _rescorings()
    _append_only()


def downgrade() -> None:
    """Removes them, with all that they hold."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change CASCADE")
    for name in (
        "rescorings",
        "audit",
        "answers",
        "keys",
        "secrets",
        "blocked",
        "rejected",
        "stage_changes",
        "standings",
        "scores",
        "attributes",
        "profiles",
        "leads",
        "events",
    ):
        op.drop_table(name)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("source", NAME, nullable=False),
        sa.Column("event_id", NAME, nullable=False),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("event_type", NAME, nullable=False),
        sa.Column("channel", NAME, nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("known_at", TIME, nullable=False),
        sa.Column("body", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "source"),
    )
    op.create_index("events_of_lead", "events", ["lead_id", "known_at"], unique=False)


def _leads() -> None:
    op.create_table(
        "leads",
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("profile_from", TIME, nullable=True),
        sa.Column("objection", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("lead_id"),
    )
    op.create_index("leads_by_change", "leads", ["changed_at", "lead_id"], unique=False)


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("account_id", NAME, nullable=True),
        sa.Column("body", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "valid_from"),
    )


def _attributes() -> None:
    op.create_table(
        "attributes",
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("text", NAME, nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("lead_id", "valid_from", "name"),
    )
    op.create_index("attributes_by_number", "attributes", ["name", "number", "lead_id"], unique=False)
    op.create_index("attributes_by_text", "attributes", ["name", "text", "lead_id"], unique=False)


def _scores() -> None:
    op.create_table(
        "scores",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("as_of", TIME, nullable=False),
        sa.Column("scored_at", TIME, nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("model_version", NAME, nullable=False),
        sa.Column("model_digest", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("scores_of_lead", "scores", ["lead_id", "id"], unique=False)
    op.create_index("scores_once", "scores", ["lead_id", "target", "as_of", "model_digest"], unique=True)


def _standings() -> None:
    op.create_table(
        "standings",
        sa.Column("target", NAME, nullable=False),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("stage", NAME, nullable=False),
        sa.Column("override", NAME, nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("as_of", TIME, nullable=True),
        sa.Column("scored_at", TIME, nullable=True),
        sa.Column("model_version", NAME, nullable=True),
        sa.Column("thresholds", NAME, nullable=True),
        sa.PrimaryKeyConstraint("target", "lead_id"),
    )
    op.create_index("standings_by_score", "standings", ["target", "probability", "lead_id"], unique=False)
    op.create_index("standings_by_stage", "standings", ["target", "stage", "lead_id"], unique=False)
    op.create_index("standings_of_lead", "standings", ["lead_id"], unique=False)


def _stage_changes() -> None:
    op.create_table(
        "stage_changes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("lead_id", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("before", NAME, nullable=True),
        sa.Column("after", NAME, nullable=False),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("model_version", NAME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("stage_changes_of_lead", "stage_changes", ["lead_id", "id"], unique=False)


def _rejected() -> None:
    op.create_table(
        "rejected",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("lead_id", NAME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("replayed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("rejected_of_lead", "rejected", ["lead_id"], unique=False)


def _blocked() -> None:
    op.create_table(
        "blocked",
        sa.Column("subject", DIGEST, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )


def _secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("prefix", NAME, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("prefix"),
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("key", DIGEST, nullable=False),
        sa.Column("body", DIGEST, nullable=False),
        sa.Column("claimed_at", TIME, nullable=False),
        sa.Column("claim", NAME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("answers_by_age", "answers", ["claimed_at"], unique=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("subject", DIGEST, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_of_subject", "audit", ["subject"], unique=False)


def _rescorings() -> None:
    op.create_table(
        "rescorings",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("model_digest", NAME, nullable=False),
        sa.Column("as_of", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("after", NAME, nullable=True),
        sa.Column("scored", NUMBER, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _append_only() -> None:
    """The database itself refuses to change or remove what the audit says."""
    if op.get_context().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is only ever added to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION refuse_change()"
    )
