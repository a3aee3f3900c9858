"""What is blocked, and the trail of who did what."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table

from serving.store.database.schema.columns import DIGEST, NAME, NUMBER, TIME, metadata

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
