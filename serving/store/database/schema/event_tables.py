"""What happened to leads, and what could not be taken: events and their neighbours."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    or_,
)

from serving.store.database.schema.columns import DIGEST, NAME, NUMBER, TIME, metadata

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

vocabularies = Table(
    "vocabularies",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("key", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Index("vocabularies_of_key", "key", "kind"),
)
"""Hashes of the names that each key has brought."""
