"""When something about a lead last changed: noted in the transaction of the change, and numbered at its end.

Numbers rise in the order of commits. They are given last in a transaction, under the lock of one row that is held until
it is committed: nobody gets a higher number before that. So below a number that a reader has seen nothing appears any
more, and since nothing else is waited for under that lock, writers never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, update

from serving.store.database.connection import before_commit, insert
from serving.store.database.schema import changes, leads


def mark_changed(connection: Connection, lead_ids: Collection[str], now: int) -> None:
    """Notes that something about these leads has changed, and makes those known that are new."""
    if not lead_ids:
        return
    rows = [
        {"lead_id": lead_id, "created_at": now, "changed_at": now, "objection": False, "change": None}
        for lead_id in sorted(lead_ids)
    ]
    statement = insert(connection, leads)
    there = statement.on_conflict_do_update(
        index_elements=[leads.c.lead_id], set_={"changed_at": statement.excluded.changed_at, "change": None}
    )
    connection.execute(there, rows)
    before_commit(connection, _number)


def _number(connection: Connection) -> None:
    number = connection.scalar(update(changes).values(number=changes.c.number + 1).returning(changes.c.number))
    connection.execute(update(leads).where(leads.c.change.is_(None)).values(change=number))
