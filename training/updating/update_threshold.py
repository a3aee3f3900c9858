"""Another threshold for the champion, without training: a new version with the same boosters, and the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from data.contract import UsageError
from features.training_set import TrainingSet
from features.wording import number
from training.recipe.train import Promise
from training.registry.artifact_files import read_grounds, rewrite_artifact
from training.registry.registry import CHAMPION, Registered, Registry
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import Grounds

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Set:
    """What came of it: the threshold, the version that is champion now, and the one that was."""

    threshold: Threshold
    version: str
    before: str


def thresholds_of(champion: Registered) -> list[Threshold]:
    """The thresholds in force. Raises DataError for a damaged model."""
    return list(champion.load().manifest.thresholds)


def grounds_of(champion: Registered) -> Grounds:
    """The grounds of the champion's thresholds. Raises DataError when they were not kept."""
    return read_grounds(champion.folder, champion.load().manifest)


def set_threshold(training_set: TrainingSet, workspace: Path, promise: Promise, reason: str) -> Set:
    """Gives the champion's stage another promise; servers take the new version up. Raises UsageError, DataError.

    A promise that cannot be made is refused and changes nothing.
    """
    target = training_set.recipe.target.name
    name, registry = f"leadscore-{target}", Registry(workspace)
    champion = registry.champion(name)
    manifest, grounds = champion.load().manifest, grounds_of(champion)
    made, stages = grounds.threshold(promise.threshold), [threshold.stage for threshold in manifest.thresholds]
    if promise.stage not in stages:
        raise UsageError(f"there is no stage {promise.stage!r}; there are {', '.join(stages)}")
    if made.probability is None:
        raise UsageError(
            f"{promise.stage} cannot promise that on {number(made.labels)} labels; `what-if` shows what it can"
        )
    after = tuple(made if threshold.stage == made.stage else threshold for threshold in manifest.thresholds)
    folder = workspace / "models" / target / "reset" / "model"
    rewrite_artifact(champion.folder, folder, replace(manifest, thresholds=after))
    example = training_set.read([feature.name for feature in manifest.features]).slice(0, EXAMPLE_ROWS)
    with registry.run(name) as mlflow:
        mlflow.set_tags({"sets_threshold": promise.stage, "of_version": champion.version})
        version = registry.log_model(mlflow, name, folder, champion.judge, example)
    registry.alias(name, version, CHAMPION, reason)
    return Set(made, version, champion.version)
