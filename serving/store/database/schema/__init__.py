"""The tables of the store, by what they hold.

Belongs here: tables, their columns and indexes. Not here: a query, a connection.

A change here needs a migration in serving/store/database/migrations/versions; a test compares the two.
"""

from serving.store.database.schema.access_tables import accounts, answers, attempts, keys, sessions
from serving.store.database.schema.columns import metadata
from serving.store.database.schema.event_tables import events, events_before_merge, rejected, vocabularies
from serving.store.database.schema.lead_tables import attributes, changes, leads, profiles, work
from serving.store.database.schema.privacy_tables import audit, blocked, secrets, trail_head
from serving.store.database.schema.score_tables import (
    episodes,
    explanations,
    rescorings,
    scores,
    stage_changes,
    threshold_changes,
)
from serving.store.database.schema.standing_tables import standings, summaries

REVISION = "0018"
"""The newest migration; together they make these tables."""

__all__ = [
    "REVISION",
    "accounts",
    "answers",
    "attempts",
    "attributes",
    "audit",
    "blocked",
    "changes",
    "episodes",
    "events",
    "events_before_merge",
    "explanations",
    "keys",
    "leads",
    "metadata",
    "profiles",
    "rejected",
    "rescorings",
    "scores",
    "secrets",
    "sessions",
    "stage_changes",
    "standings",
    "summaries",
    "threshold_changes",
    "trail_head",
    "vocabularies",
    "work",
]
