"""Leads, their profiles, and what sales did with them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, false, or_

from serving.store.database.schema.columns import DIGEST, NAME, TIME, metadata

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
_absent = or_(leads.c.objection, leads.c.away_since.is_not(None))
Index("leads_absent", leads.c.lead_id, unique=True, sqlite_where=_absent, postgresql_where=_absent)

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
