"""Which leads lists show and scorings score: those that do not object, and are not away."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_

from serving.store.database.schema import leads


def is_present() -> ColumnElement[bool]:
    """Of a row of leads. Away are those that the event log says were merged into another one, or deleted."""
    return and_(~leads.c.objection, leads.c.away_since.is_(None))
