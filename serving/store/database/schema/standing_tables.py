"""Where each lead stands now: a row for each lead and target, which lists are read from."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from serving.store.database.schema.columns import NAME, TIME, metadata

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

summaries = Table(
    "summaries",
    metadata,
    Column("target", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("made_at", TIME, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("target", "name"),
)
