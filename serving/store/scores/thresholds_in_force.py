"""Published thresholds, and which of them are followed: plain values and a rule that a model needs without a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.thresholds.stages import are_in_order
from training.thresholds.threshold import Threshold


@dataclass(frozen=True, slots=True)
class Change:
    """A threshold that someone has published for a stage of one model.

    threshold: None gives the stage back to the model.
    at: µs UTC. who: the account. taken_up_at: when a scoring began to follow it, µs UTC; None while it waits.
    """

    id: int
    target: str
    stage: str
    model_version: str
    model_digest: str
    at: int
    who: str
    reason: str
    threshold: Threshold | None
    taken_up_at: int | None


def in_force(own: Sequence[Threshold], changes: Sequence[Change]) -> tuple[tuple[Threshold, ...], tuple[Change, ...]]:
    """A model's own thresholds under changes, one a stage, and which of those are followed, in the order of stages.

    Where stages would no longer follow each other, the oldest change is not followed, then the next. So they follow
    each other whatever was published, taken up and taken back, in whatever order.
    """
    stages = [threshold.stage for threshold in own]
    followed = sorted((change for change in changes if change.threshold and change.stage in stages), key=_number)
    while followed and not are_in_order(threshold.probability for threshold in _laid_over(own, followed)):
        followed.pop(0)
    return _laid_over(own, followed), tuple(sorted(followed, key=lambda change: stages.index(change.stage)))


def _laid_over(own: Sequence[Threshold], changes: Sequence[Change]) -> tuple[Threshold, ...]:
    published = {change.stage: change.threshold for change in changes if change.threshold is not None}
    return tuple(published.get(threshold.stage, threshold) for threshold in own)


def _number(change: Change) -> int:
    return change.id
