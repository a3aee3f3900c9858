"""What is said of a score: reasons, facts, shifts; plain values, which whoever explains makes without a store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

Value = float | str | None


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
class TopicReason:
    """What features that are told as one add to a score.

    feature: the one of them that adds most. adds: log-odds of all of them, above 0 speaks for the lead. value: None for
    unknown. occurred_at, known_at: µs UTC, of the latest event that is spoken of; None for none. topic: what they are
    about. facts: what is said of the lead; none where the reason is no headline.
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

    reasons: the headlines, first what speaks for the lead, then what against it, each side the most telling first; then
    what else moves the score, the strongest first. since: `as_of` of
    the earlier score that shifts are measured against, None for none; shifts: the strongest first, none when the
    probability has hardly moved.
    """

    lead_id: str
    as_of: int
    model_digest: str
    reasons: tuple[TopicReason, ...]
    since: int | None
    shifts: tuple[FeatureShift, ...]


def written_facts(facts: Sequence[Fact]) -> str:
    """Facts as JSON, from which `read_facts` makes the same."""
    return json.dumps([astuple(fact) for fact in facts], separators=(",", ":"), allow_nan=False)


def read_facts(written: str | None) -> tuple[Fact, ...]:
    """Facts as they were written; none where an earlier version wrote a value of a feature."""
    facts = json.loads(written or "null")
    return tuple(Fact(*fact) for fact in facts) if isinstance(facts, list) else ()
