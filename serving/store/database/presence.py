"""Which leads lists show and scorings score: those that do not object, and are not away; and who writes about them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, FromClause, and_, or_, select

from serving.store.database.connection import chunks
from serving.store.database.schema import leads


def is_present(lead: FromClause = leads) -> ColumnElement[bool]:
    """Of a row of leads, or of the same table by another name. Away are those that the event log says were merged into
    another one, or deleted."""
    return and_(~lead.c.objection, lead.c.away_since.is_(None))


def is_absent(lead: FromClause = leads) -> ColumnElement[bool]:
    """The contrary, in the words of the index of the few for whom it holds."""
    return or_(lead.c.objection, lead.c.away_since.is_not(None))


def hold_present(connection: Connection, lead_ids: Collection[str]) -> set[str]:
    """Which of these leads are present. Until the transaction ends that stays so, and nobody else scores them, decides
    about them or erases them: what is read of them from now on may be written back.

    On PostgreSQL their rows are locked, in the order of ids, so that two never wait for each other in a circle. SQLite
    has one writer at a time.
    """
    present: set[str] = set()
    for chunk in chunks(sorted(lead_ids)):
        query = select(leads.c.lead_id).where(leads.c.lead_id.in_(chunk), is_present()).order_by(leads.c.lead_id)
        present |= set(connection.scalars(query.with_for_update()))
    return present


def hold(connection: Connection, lead_id: str) -> None:
    """Waits for whoever holds a lead, present or not, and holds it."""
    connection.execute(select(leads.c.lead_id).where(leads.c.lead_id == lead_id).with_for_update())
