"""When something about a lead last changed: noted in the transaction of the change."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from serving.store.database.connection import insert
from serving.store.database.schema import leads


def touch(connection: Connection, lead_ids: Collection[str], now: int) -> None:
    """Notes that something about these leads has changed, and makes those known that are new."""
    if not lead_ids:
        return
    rows = [
        {"lead_id": lead_id, "created_at": now, "changed_at": now, "objection": False} for lead_id in sorted(lead_ids)
    ]
    statement = insert(connection, leads)
    there = statement.on_conflict_do_update(
        index_elements=[leads.c.lead_id], set_={"changed_at": statement.excluded.changed_at}
    )
    connection.execute(there, rows)
