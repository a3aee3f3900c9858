"""Which thresholds are in force: a model's own, with those laid over them that people have published.

Which published changes are in force is decided in serving/store/scores/threshold_changes.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from serving.messages.schemas import ThresholdSet
from serving.messages.times import at
from serving.store.scores.thresholds_in_force import Change, in_force
from training.thresholds.stages import StageThreshold
from training.thresholds.threshold import Threshold, stage_thresholds


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
        return stage_thresholds(self.thresholds)


def effective_thresholds(own: Sequence[Threshold], version: str, changes: Sequence[Change] = ()) -> EffectiveThresholds:
    """The thresholds of a model's version under changes, one a stage, by `in_force`."""
    thresholds, followed = in_force(own, changes)
    return EffectiveThresholds(thresholds, ThresholdSet(_name(version, followed), _digest(thresholds)), followed)


def _name(version: str, changes: Sequence[Change]) -> str:
    if not changes:
        return f"model {version}"
    newest = max(changes, key=lambda change: change.id)
    return f"{at(newest.at):%Y-%m-%d %H:%M} UTC by {newest.who}, over model {version}"


def _digest(thresholds: Sequence[Threshold]) -> str:
    plain = [
        [threshold.stage, threshold.probability, threshold.rule.kind, threshold.rule.target, threshold.confidence]
        for threshold in thresholds
    ]
    return sha256(json.dumps(plain).encode()).hexdigest()
