"""Merges of leads that have scores: since when they are others, and what they had until then.

The events of a merged lead are the other one's since. Its scores of the time before are still those of the lead that it
was, and are judged as the event log judges its moments: by what stood under its own id when it was merged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, delete, insert, select

from serving.store.database.connection import chunks
from serving.store.database.many import Cell
from serving.store.database.schema import events_before_merge, scores
from serving.store.events.deals import stored_deal
from serving.store.publication.log_state import LeadsState

KEPT = ("lead_id", "event_type", "occurred_at", "known_at", "deal")


@dataclass(frozen=True)
class Merges:
    """Of leads one by one. since: lead -> µs UTC; rows: events of `events_before_merge`, without their numbers."""

    since: Mapping[str, int]
    rows: list[dict[str, Cell]]

    @staticmethod
    def of(part: LeadsState, lead_ids: Collection[str]) -> Merges:
        """Of those of these leads that are merged."""
        since = {lead_id: at for lead_id, at in part.merged.items() if lead_id in lead_ids}
        theirs = pc.is_in(part.events.column("lead_id"), value_set=pa.array(list(since), pa.string()))
        events = part.events.filter(pc.and_kleene(theirs, part.events.column("before_merge")))
        rows = events.select(KEPT).to_pylist() if since else []
        return Merges(since, [{**row, "deal": stored_deal(row["deal"])} for row in rows])

    def keep(self, connection: Connection, lead_ids: Collection[str]) -> dict[str, int]:
        """Keeps what those of these leads had that are merged and have scores, and no others; since when they are."""
        with_scores = scored(connection, [lead_id for lead_id in lead_ids if lead_id in self.since])
        for chunk in chunks(sorted(lead_ids)):
            connection.execute(delete(events_before_merge).where(events_before_merge.c.lead_id.in_(chunk)))
        numbered = ({**row, "number": number} for number, row in enumerate(self.rows))
        rows = [row for row in numbered if row["lead_id"] in with_scores]
        if rows:
            connection.execute(insert(events_before_merge), rows)
        return {lead_id: self.since[lead_id] for lead_id in with_scores}


NO_MERGES = Merges({}, [])


def scored(connection: Connection, lead_ids: Collection[str]) -> set[str]:
    """Which of these leads have scores."""
    with_scores: set[str] = set()
    for chunk in chunks(sorted(lead_ids)):
        with_scores |= set(connection.scalars(select(scores.c.lead_id).where(scores.c.lead_id.in_(chunk)).distinct()))
    return with_scores
