"""Scores and what follows from them: explanations, stages, episodes, thresholds."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text

from serving.store.database.schema.columns import NAME, NUMBER, TIME, metadata

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
