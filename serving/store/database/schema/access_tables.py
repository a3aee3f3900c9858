"""Who may do what: accounts, sessions, keys, and answers to repeated requests."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from serving.store.database.schema.columns import DIGEST, NAME, TIME, metadata

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
