"""Which thresholds are in force: a model's own, with those laid over them that people have published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from serving.messages.schemas import ThresholdSet
from serving.messages.times import at
from serving.store.scores.threshold_changes import Change
from training.thresholds.stages import StageThreshold
from training.thresholds.threshold import Threshold, threshold_from


@dataclass(frozen=True)
class EffectiveThresholds:
    """Thresholds, ascending as in the model, and by what name and digest every answer tells of them.

    changes: what people have published among them, one a stage.
    """

    thresholds: tuple[Threshold, ...]
    identity: ThresholdSet
    changes: tuple[Change, ...] = ()

    @property
    def stages(self) -> list[StageThreshold]:
        """Where stages begin; a promise that cannot be made begins none."""
        issued = ((each.stage, each.probability) for each in self.thresholds)
        return [StageThreshold(stage, probability) for stage, probability in issued if probability is not None]


def effective_thresholds(own: Sequence[Threshold], version: str, changes: Sequence[Change] = ()) -> EffectiveThresholds:
    """The thresholds of a model's version under changes, one a stage; one for a stage that it lacks has no effect."""
    laid = {each.stage: threshold_from(each.threshold) for each in changes if each.threshold is not None}
    thresholds = tuple(laid.get(each.stage, each) for each in own)
    kept = tuple(each for each in changes if each.stage in {own_one.stage for own_one in own})
    return EffectiveThresholds(thresholds, ThresholdSet(_name(version, kept), _digest(thresholds)), kept)


def _name(version: str, changes: Sequence[Change]) -> str:
    if not changes:
        return f"model {version}"
    newest = max(changes, key=lambda each: each.id)
    return f"{at(newest.at):%Y-%m-%d %H:%M} UTC by {newest.who}, over model {version}"


def _digest(thresholds: Sequence[Threshold]) -> str:
    plain = [[each.stage, each.probability, each.rule, each.target, each.confidence] for each in thresholds]
    return sha256(json.dumps(plain).encode()).hexdigest()
