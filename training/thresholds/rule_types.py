"""What a threshold is asked to keep, one dataclass for each rule, and the record of what became of it at past dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from data.typed_json import Null
from training.thresholds.replay import StageEntries

Kind = Literal["precision", "capacity", "value"]
PromiseOutcome = Literal["kept", "short", "broken", "none"]
Action = Literal["kept", "widened", "withdrawn"]


@dataclass(frozen=True)
class PrecisionRule:
    """At least a share of leads converts, with some confidence; in a mix no more than `per_week` leads come up too."""

    kind: ClassVar[Kind] = "precision"
    target: float
    confidence: float | None
    per_week: float | None = None


@dataclass(frozen=True)
class CapacityRule:
    """No more leads than so many a week come up."""

    kind: ClassVar[Kind] = "capacity"
    target: float


@dataclass(frozen=True)
class ValueRule:
    """A touch pays off: target is its cost as a share of a win's value; `win` and `touch` are the amounts of money."""

    kind: ClassVar[Kind] = "value"
    target: float
    win: float | None = None
    touch: float | None = None


Rule = PrecisionRule | CapacityRule | ValueRule


@dataclass(frozen=True)
class RecordPeriod:
    """What became of a promise made at `since` in [since, until), µs UTC; low, high: 95 % interval of the precision.

    probability: None when the promise could not be made then. selected: leads at or above, of whom `converted` did.
    """

    since: int
    until: int
    probability: float | None
    selected: int
    converted: int
    low: float
    high: float
    verdict: PromiseOutcome


@dataclass(frozen=True)
class Record:
    """How often a promise was kept or broken of so many times, and what that led to.

    recent_labels: on how many of the newest labels it rests where they decided alone, None where all did.
    """

    kept: int
    broken: int
    of: int
    action: Action
    recent_labels: int | None
    periods: tuple[RecordPeriod, ...]


@dataclass(frozen=True)
class StoredThreshold:
    """A threshold as it stands in JSON: all rules in one, None for what a rule does not have."""

    stage: str
    rule: Kind
    target: float
    confidence: float | None
    probability: float | None
    labels: int
    selected: int
    converted: int
    leads_per_week: float
    wins_per_week: float
    missing_labels: Null[int] = None
    per_week: Null[float] = None
    win: Null[float] = None
    touch: Null[float] = None
    record: Null[Record] = None
    arrivals: StageEntries | None = None

    def rule_of(self) -> Rule:
        """The rule with what belongs to it."""
        if self.rule == "precision":
            return PrecisionRule(self.target, self.confidence, self.per_week)
        if self.rule == "value":
            return ValueRule(self.target, self.win, self.touch)
        return CapacityRule(self.target)
