"""What the store no longer has to keep: counted, and removed some rows at a time, beside a running server.

What is in force stays whatever its age: the newest score of each lead for each target, all that is not named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, false, func, select, text

from serving.store.access.replies import KEPT
from serving.store.database.connection import Database
from serving.store.database.schema import answers, audit, rejected, scores, sessions
from serving.store.privacy.audit_trail import Audit

AT_ONCE = 2_000
"""Rows in a transaction."""


@dataclass(frozen=True)
class Cutoffs:
    """Before when things go, µs UTC; None: they are kept."""

    scores: int | None = None
    rejected: int | None = None
    audit: int | None = None


@dataclass(frozen=True)
class Retention:
    """Counts and removes what is older than cutoffs say, and sessions and kept answers that are over."""

    _database: Database
    _audit: Audit

    def count(self, cutoffs: Cutoffs, now: int) -> dict[str, int]:
        """How many rows `prune` would remove now, by table."""
        with self._database.read() as connection:
            return {
                table.name: connection.scalar(select(func.count()).select_from(table).where(is_over)) or 0
                for table, _, is_over in _over(cutoffs, now)
            }

    def prune(self, cutoffs: Cutoffs, who: str, now: int) -> dict[str, int]:
        """Removes them; how many rows, by table. One that is cut off goes on with what is left. now: µs UTC."""
        removed = {}
        for table, key, is_over in _over(cutoffs, now):
            if table is audit:
                removed[table.name] = self._shorten_trail(is_over, who, now)
            else:
                removed[table.name] = self._remove(table, key, is_over)
        counts = ", ".join(f"{name} {count}" for name, count in removed.items() if count)
        if counts:
            self._audit.add(who, f"prune {counts}", now)
        return removed

    def _remove(self, table: Table, key: Column[Any], is_over: ColumnElement[bool]) -> int:
        removed, after = 0, None
        while True:
            query = select(key).where(is_over).order_by(key).limit(AT_ONCE)
            with self._database.write() as connection:
                keys = list(connection.scalars(query if after is None else query.where(key > after)))
                connection.execute(delete(table).where(key.in_(keys)))
            removed += len(keys)
            if len(keys) < AT_ONCE:
                return removed
            after = keys[-1]

    def _shorten_trail(self, is_over: ColumnElement[bool], who: str, now: int) -> int:
        """Takes the beginning of the trail away, and says so in it, in one transaction."""
        with self._database.write() as connection:
            last = connection.scalar(select(func.max(audit.c.id)).where(is_over))
            if last is None:
                return 0
            with _unguarded(connection):
                removed = self._audit.shorten(connection, last)
                self._audit.note(connection, who, f"shorten the trail by {removed}", now)
        return removed


def _over(cutoffs: Cutoffs, now: int) -> Iterator[tuple[Table, Column[Any], ColumnElement[bool]]]:
    """Tables with their key, and which of their rows are over."""
    other = scores.alias()
    newest = select(func.max(other.c.id)).where(other.c.lead_id == scores.c.lead_id, other.c.target == scores.c.target)
    superseded = and_(_before(scores.c.scored_at, cutoffs.scores), scores.c.id < newest.scalar_subquery())
    yield scores, scores.c.id, superseded
    yield rejected, rejected.c.id, _before(rejected.c.at, cutoffs.rejected)
    yield sessions, sessions.c.digest, sessions.c.ends_at <= now
    yield answers, answers.c.key, answers.c.claimed_at < now - KEPT
    yield audit, audit.c.id, _beginning(cutoffs.audit)


def _before(at: Column[int], cutoff: int | None) -> ColumnElement[bool]:
    return false() if cutoff is None else at < cutoff


def _beginning(cutoff: int | None) -> ColumnElement[bool]:
    """Entries of the trail before the first one that is kept: it is shortened, and never has a hole."""
    if cutoff is None:
        return false()
    other = audit.alias()
    first = select(func.min(other.c.id)).where(other.c.at >= cutoff).scalar_subquery()
    return and_(audit.c.at < cutoff, audit.c.id < func.coalesce(first, audit.c.id + 1))


@contextmanager
def _unguarded(connection: Connection) -> Iterator[None]:
    """Lets this transaction alone remove entries of the trail: the guard is back before anybody else may write."""
    if connection.dialect.name == "sqlite":
        guard = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'audit_no_delete'"))
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        yield
        connection.execute(text(guard))
        return
    connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
    yield
    connection.execute(text("ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only"))
