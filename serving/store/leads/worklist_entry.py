"""A lead as lists show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from serving.store.database.connection import chunks
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, standings


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """A lead of the list, as in `WorklistRow` and `StandingRow`. before: its probability a week earlier.

    work_state, worker, due_at, section: see `serving/store/scores/sections.py`.
    """

    lead_id: str
    stage: str
    override: str | None
    probability: float | None
    low: float | None
    high: float | None
    as_of: int | None
    model_version: str | None
    before: float | None
    fit: float | None
    engagement: float | None
    reason: str | None
    reason_value: str | None
    active_at: int | None
    contacts: int | None
    ignored: int | None
    channel: str | None
    country: str | None
    owner: str | None
    rising: bool | None
    pressed: bool | None
    work_state: str | None
    worker: str
    due_at: int | None
    section: str
    latest: str | None
    chain: str | None


def entries_of(connection: Connection, target: str, lead_ids: Sequence[str]) -> dict[str, WorklistEntry]:
    """Some leads of the list, in their order, without those that were never scored, are unknown or object."""
    query = select(*(standings.c[name] for name in WorklistEntry.__slots__)).where(standings.c.target == target)
    query = query.join(leads, leads.c.lead_id == standings.c.lead_id).where(is_present())
    rows = [
        row for chunk in chunks(lead_ids) for row in connection.execute(query.where(standings.c.lead_id.in_(chunk)))
    ]
    entries = {row.lead_id: WorklistEntry(*row) for row in rows}
    return {lead_id: entries[lead_id] for lead_id in lead_ids if lead_id in entries}
