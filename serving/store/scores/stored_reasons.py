"""Why leads stand where they stand, as it was when they were scored: what a page shows without reading a history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from sqlalchemy import select

from serving.store.database.connection import Database, insert
from serving.store.database.presence import hold_present
from serving.store.database.schema import explanations
from serving.store.scores.reason import Explanation, Fact, FeatureShift, TopicReason

EARLIER = ("feature", "adds", "value", "occurred_at", "known_at")
"""What versions before 0.4 kept of a reason."""


class StoredReasons:
    """Notes and tells explanations; the newest of each lead and target is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, target: str, batch: Sequence[Explanation]) -> None:
        """Keeps explanations of leads that have just been scored, in one transaction; but of those that are no longer
        present: nothing comes back after an erasure."""
        with self._database.write() as connection:
            present = hold_present(connection, [explanation.lead_id for explanation in batch])
            rows = [{"target": target, **_row(explanation)} for explanation in batch if explanation.lead_id in present]
            if not rows:
                return
            statement = insert(connection, explanations)
            key = [explanations.c.target, explanations.c.lead_id]
            set_ = {name: statement.excluded[name] for name in ("as_of", "model_digest", "told")}
            there = statement.on_conflict_do_update(index_elements=key, set_=set_)
            connection.execute(there, rows)

    def of(self, target: str, lead_id: str) -> Explanation | None:
        """The explanation of a lead's newest score, None for none."""
        query = select(explanations.c.lead_id, explanations.c.as_of, explanations.c.model_digest, explanations.c.told)
        query = query.where(explanations.c.target == target, explanations.c.lead_id == lead_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _read(*row)


def _row(explanation: Explanation) -> dict[str, str | int]:
    content = [
        [astuple(reason) for reason in explanation.reasons],
        explanation.since,
        [astuple(shift) for shift in explanation.shifts],
    ]
    return {
        "lead_id": explanation.lead_id,
        "as_of": explanation.as_of,
        "model_digest": explanation.model_digest,
        "told": json.dumps(content, separators=(",", ":"), allow_nan=False),
    }


def _read(lead_id: str, as_of: int, model_digest: str, content: str) -> Explanation:
    reasons, since, shifts = json.loads(content)
    return Explanation(
        lead_id,
        as_of,
        model_digest,
        tuple(_reason(*reason) for reason in reasons),
        since,
        tuple(FeatureShift(*shift) for shift in shifts),
    )


def _reason(*content: Any) -> TopicReason:
    """A reason as it was kept; earlier versions kept no topic and no facts."""
    feature, adds, value, occurred_at, known_at, topic, facts = (*content, "", ())[: len(EARLIER) + 2]
    return TopicReason(feature, adds, value, occurred_at, known_at, topic, tuple(Fact(*fact) for fact in facts))
