"""The tables of the store. Times are int64 µs UTC, ids are opaque text compared byte by byte.

A change here needs a migration in data/migrations/versions; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
    or_,
)

REVISION = "0017"
"""The newest migration; together they make these tables."""

NAME = Text().with_variant(Text(collation="C"), "postgresql")
TIME = BigInteger()
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
DIGEST = String(64)

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("source", NAME, nullable=False),
    Column("event_id", NAME, nullable=False),
    Column("lead_id", NAME, nullable=False),
    Column("event_type", NAME, nullable=False),
    Column("channel", NAME),
    Column("value", Double),
    Column("occurred_at", TIME, nullable=False),
    Column("received_at", TIME, nullable=False),
    Column("known_at", TIME, nullable=False),
    Column("body", DIGEST, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("campaign", NAME),
    Column("asset", NAME),
    Column("deal", BigInteger),
    PrimaryKeyConstraint("event_id", "source"),
    Index("events_of_lead", "lead_id", "known_at"),
)
_has_context = or_(events.c.campaign.is_not(None), events.c.asset.is_not(None))
Index(
    "events_with_context",
    events.c.lead_id,
    events.c.occurred_at,
    sqlite_where=_has_context,
    postgresql_where=_has_context,
)

events_before_merge = Table(
    "events_before_merge",
    metadata,
    Column("lead_id", NAME, nullable=False),
    Column("number", Integer, nullable=False),
    Column("event_type", NAME, nullable=False),
    Column("occurred_at", TIME, nullable=False),
    Column("known_at", TIME, nullable=False),
    Column("deal", BigInteger),
    PrimaryKeyConstraint("lead_id", "number"),
)
"""What was known of a lead with scores when it was merged into another one, which has these events since: they say what
came of its scores."""

leads = Table(
    "leads",
    metadata,
    Column("lead_id", NAME, primary_key=True),
    Column("account_id", NAME),
    Column("created_at", TIME, nullable=False),
    Column("changed_at", TIME, nullable=False),
    Column("profile_from", TIME),
    Column("objection", Boolean, nullable=False, default=False),
    Column("published", DIGEST),
    Column("away_since", TIME),
    Column("merged_since", TIME),
    Column("change", TIME, server_default="0"),
    Index("leads_by_change", "changed_at", "lead_id"),
    Index("leads_by_number", "change", "lead_id"),
    Index("leads_by_account", "account_id", "lead_id"),
)

changes = Table("changes", metadata, Column("number", BigInteger(), nullable=False))
"""One row: the number of the last change."""

profiles = Table(
    "profiles",
    metadata,
    Column("lead_id", NAME, nullable=False),
    Column("valid_from", TIME, nullable=False),
    Column("account_id", NAME),
    Column("body", DIGEST, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("lead_id", "valid_from"),
    Index("profiles_by_account", "account_id", "lead_id", "valid_from"),
)

attributes = Table(
    "attributes",
    metadata,
    Column("lead_id", NAME, nullable=False),
    Column("valid_from", TIME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("text", NAME),
    Column("number", Double),
    PrimaryKeyConstraint("lead_id", "valid_from", "name"),
    Index("attributes_by_text", "name", "text", "lead_id"),
    Index("attributes_by_number", "name", "number", "lead_id"),
)

scores = Table(
    "scores",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("lead_id", NAME, nullable=False),
    Column("target", NAME, nullable=False),
    Column("as_of", TIME, nullable=False),
    Column("scored_at", TIME, nullable=False),
    Column("probability", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("stage", NAME, nullable=False),
    Column("model_version", NAME, nullable=False),
    Column("model_digest", NAME, nullable=False),
    Index("scores_of_lead", "lead_id", "id"),
    Index("scores_once", "lead_id", "target", "as_of", "model_digest", unique=True),
)

standings = Table(
    "standings",
    metadata,
    Column("target", NAME, nullable=False),
    Column("lead_id", NAME, nullable=False),
    Column("stage", NAME, nullable=False),
    Column("model_stage", NAME, nullable=False),
    Column("override", NAME),
    Column("override_reason", NAME),
    Column("override_by", NAME),
    Column("override_at", TIME),
    Column("override_until", TIME),
    Column("probability", Double),
    Column("low", Double),
    Column("high", Double),
    Column("as_of", TIME),
    Column("scored_at", TIME),
    Column("model_version", NAME),
    Column("thresholds", NAME),
    Column("before", Double),
    Column("fit", Double),
    Column("engagement", Double),
    Column("reason", NAME),
    Column("reason_value", NAME),
    Column("active_at", TIME),
    Column("contacts", Integer),
    Column("ignored", Integer),
    Column("channel", NAME),
    Column("magnet", NAME),
    Column("came_at", TIME),
    Column("country", NAME),
    Column("owner", NAME),
    Column("rising", Boolean),
    Column("untouched", Boolean),
    Column("pressed", Boolean),
    Column("work_state", NAME),
    Column("worker", NAME, nullable=False, server_default=""),
    Column("due_at", TIME),
    Column("fell_at", TIME),
    Column("section", NAME, nullable=False, server_default="rest"),
    Column("latest", Text),
    Column("campaign", NAME),
    Column("asset", NAME),
    Column("chain", Text),
    PrimaryKeyConstraint("target", "lead_id"),
    Index("standings_of_lead", "lead_id"),
    Index("standings_by_stage", "target", "stage", "lead_id"),
    Index("standings_by_score", "target", "probability", "lead_id"),
    Index("standings_by_stage_score", "target", "stage", "probability", "lead_id"),
    Index("standings_by_activity", "target", "active_at", "lead_id"),
    Index("standings_by_section", "target", "section", "probability", "lead_id"),
    Index("standings_by_worker", "target", "worker", "section", "probability", "lead_id"),
)
# Of what few leads have, or what not every lead has, only those are in an index.
for _name in ("rising", "untouched", "pressed", "channel", "country", "owner"):
    _there = standings.c[_name].is_not(None)
    Index(
        f"standings_by_{_name}",
        standings.c.target,
        standings.c[_name],
        standings.c.probability,
        standings.c.lead_id,
        sqlite_where=_there,
        postgresql_where=_there,
    )

Index(
    "standings_by_due",
    standings.c.target,
    standings.c.due_at,
    sqlite_where=standings.c.due_at.is_not(None),
    postgresql_where=standings.c.due_at.is_not(None),
)

work = Table(
    "work",
    metadata,
    Column("lead_id", NAME, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", TIME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("who", NAME, nullable=False),
    Column("worker", NAME, nullable=False),
    Column("reason", NAME),
    Column("until", TIME),
    Column("target", NAME, nullable=False),
    Column("stage", NAME),
    Column("probability", Double),
    Column("waited", TIME),
    PrimaryKeyConstraint("lead_id", "number"),
    Index("work_by_time", "target", "at"),
)
"""What sales did with a lead, step by step. number: 1, 2, 3 … of each lead, so that a step is taken once."""

explanations = Table(
    "explanations",
    metadata,
    Column("target", NAME, nullable=False),
    Column("lead_id", NAME, nullable=False),
    Column("as_of", TIME, nullable=False),
    Column("model_digest", NAME, nullable=False),
    Column("told", Text, nullable=False),
    PrimaryKeyConstraint("target", "lead_id"),
    Index("explanations_of_lead", "lead_id"),
)

stage_changes = Table(
    "stage_changes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("lead_id", NAME, nullable=False),
    Column("target", NAME, nullable=False),
    Column("at", TIME, nullable=False),
    Column("before", NAME),
    Column("after", NAME, nullable=False),
    Column("cause", NAME, nullable=False),
    Column("probability", Double),
    Column("model_version", NAME),
    Index("stage_changes_of_lead", "lead_id", "id"),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("lead_id", NAME, nullable=False),
    Column("target", NAME, nullable=False),
    Column("stage", NAME, nullable=False),
    Column("entered_at", TIME, nullable=False),
    Column("entered", NAME, nullable=False),
    Column("nth", Integer, nullable=False),
    Column("left_at", TIME),
    Column("left", NAME),
    Index("episodes_of_lead", "lead_id", "target", "stage"),
    Index("episodes_by_time", "target", "stage", "entered_at"),
)

threshold_changes = Table(
    "threshold_changes",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("target", NAME, nullable=False),
    Column("stage", NAME, nullable=False),
    Column("model_version", NAME, nullable=False),
    Column("model_digest", NAME, nullable=False),
    Column("at", TIME, nullable=False),
    Column("who", NAME, nullable=False),
    Column("reason", NAME, nullable=False),
    Column("threshold", Text, nullable=False),
    Column("taken_up_at", TIME),
    Index("threshold_changes_of_model", "target", "model_digest", "id"),
)

summaries = Table(
    "summaries",
    metadata,
    Column("target", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("made_at", TIME, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("target", "name"),
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", TIME, nullable=False),
    Column("lead_id", NAME),
    Column("reason", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("replayed_at", TIME),
    Index("rejected_of_lead", "lead_id"),
)

blocked = Table(
    "blocked",
    metadata,
    Column("subject", DIGEST, primary_key=True),
    Column("at", TIME, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("prefix", NAME, primary_key=True),
    Column("digest", DIGEST, nullable=False),
    Column("role", NAME, nullable=False),
    Column("label", NAME, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("revoked_at", TIME),
)

vocabularies = Table(
    "vocabularies",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("key", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Index("vocabularies_of_key", "key", "kind"),
)
"""Hashes of the names that each key has brought."""

answers = Table(
    "answers",
    metadata,
    Column("key", DIGEST, primary_key=True),
    Column("body", DIGEST, nullable=False),
    Column("claimed_at", TIME, nullable=False),
    Column("claim", NAME, nullable=False),
    Column("status", Integer),
    Column("answer", Text),
    Index("answers_by_age", "claimed_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", TIME, nullable=False),
    Column("who", NAME, nullable=False),
    Column("action", NAME, nullable=False),
    Column("subject", DIGEST),
    Column("number", NUMBER),
    Column("seal", DIGEST),
    Index("audit_of_subject", "subject"),
)

trail_head = Table(
    "trail_head",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("seal", DIGEST, nullable=False),
    Column("floor", NUMBER, nullable=False),
    Column("floor_seal", DIGEST, nullable=False),
    Column("own_seal", DIGEST, nullable=False),
)

rescorings = Table(
    "rescorings",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("target", NAME, nullable=False),
    Column("model_digest", NAME, nullable=False),
    Column("as_of", TIME, nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("after", NAME),
    Column("scored", NUMBER, nullable=False),
    Column("finished_at", TIME),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("password", Text, nullable=False),
    Column("role", NAME, nullable=False),
    Column("created_at", TIME, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("account", NAME, nullable=False),
    Column("ends_at", TIME, nullable=False),
    Index("sessions_of_account", "account"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("subject", DIGEST, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("since", TIME, nullable=False),
    Column("account", DIGEST),
    Index("attempts_of_account", "account"),
)
