"""Why leads stand where they stand, as it was when they were scored: what a page shows without reading a history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import select

from serving.store.database.connection import Database, insert
from serving.store.database.presence import hold_present
from serving.store.database.schema import explanations

Value = float | str | None
EARLIER = ("feature", "adds", "value", "occurred_at", "known_at")
"""What versions before 0.4 kept of a ground."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a sentence says of a lead. kind: which sentence; name: a type or group of events, or a profile column.

    value: of the profile. count: how often, within so many `days`. at: when it last happened, µs UTC.
    """

    kind: str
    name: str = ""
    value: Value = None
    count: int = 0
    days: int = 0
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What features that are told as one add to a score.

    feature: the one of them that adds most. adds: log-odds of all of them, above 0 speaks for the lead. value: None for
    unknown. occurred_at, known_at: µs UTC, of the latest event that is spoken of; None for none. topic: what they are
    about. facts: what is said of the lead; none where the ground is no headline.
    """

    feature: str
    adds: float
    value: Value
    occurred_at: int | None
    known_at: int | None
    topic: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """How a feature has moved between two scores. adds: log-odds that would be missing if it had not."""

    feature: str
    before: Value
    now: Value
    adds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a lead scored as it did. as_of: of that score, µs UTC; model_digest: of the model that gave it.

    grounds: the headlines, first what speaks for the lead, then what against it, each side the most telling first; then
    what else moves the score, the strongest first. since: `as_of` of
    the earlier score that shifts are measured against, None for none; shifts: the strongest first, none when the
    probability has hardly moved.
    """

    lead_id: str
    as_of: int
    model_digest: str
    grounds: tuple[Ground, ...]
    since: int | None
    shifts: tuple[FeatureShift, ...]


class Explanations:
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
        [astuple(ground) for ground in explanation.grounds],
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
    grounds, since, shifts = json.loads(content)
    return Explanation(
        lead_id,
        as_of,
        model_digest,
        tuple(_ground(*ground) for ground in grounds),
        since,
        tuple(FeatureShift(*shift) for shift in shifts),
    )


def _ground(*content: Any) -> Ground:
    """A ground as it was kept; earlier versions kept no topic and no facts."""
    feature, adds, value, occurred_at, known_at, topic, facts = (*content, "", ())[: len(EARLIER) + 2]
    return Ground(feature, adds, value, occurred_at, known_at, topic, tuple(Fact(*fact) for fact in facts))


def written_facts(facts: Sequence[Fact]) -> str:
    """Facts as JSON, from which `read_facts` makes the same."""
    return json.dumps([astuple(fact) for fact in facts], separators=(",", ":"), allow_nan=False)


def read_facts(written: str | None) -> tuple[Fact, ...]:
    """Facts as they were written; none where an earlier version wrote a value of a feature."""
    facts = json.loads(written or "null")
    return tuple(Fact(*fact) for fact in facts) if isinstance(facts, list) else ()
