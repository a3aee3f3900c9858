"""Another threshold for the champion, without training: a new version with the same boosters, and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.contract import UsageError
from features.training_set import TrainingSet
from features.wording import number
from training.recipe.train import Promise
from training.registry.artifact_files import rewrite_artifact
from training.registry.registry import CHAMPION, Registered, Registry
from training.thresholds.threshold import Threshold, threshold_from
from training.thresholds.threshold_evidence import Grounds, read_grounds

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Set:
    """What came of it: the threshold, the version that is champion now, and the one that was."""

    threshold: Threshold
    version: str
    before: str


def thresholds_of(champion: Registered) -> list[Threshold]:
    """The thresholds in force. Raises DataError for a damaged model."""
    return [threshold_from(each) for each in champion.load().about["thresholds"]]


def grounds_of(champion: Registered) -> Grounds:
    """The grounds of the champion's thresholds. Raises DataError when they were not kept."""
    return read_grounds(champion.folder, champion.load().about)


def set_threshold(training_set: TrainingSet, workspace: Path, promise: Promise, reason: str) -> Set:
    """Gives the champion's stage another promise; servers take the new version up. Raises UsageError, DataError.

    A promise that cannot be made is refused and changes nothing.
    """
    name, registry = f"leadscore-{training_set.recipe['target']['name']}", Registry(workspace)
    champion = registry.champion(name)
    about, grounds = champion.load().about, grounds_of(champion)
    made, before = grounds.threshold(promise.threshold), thresholds_of(champion)
    if promise.stage not in [each.stage for each in before]:
        raise UsageError(f"there is no stage {promise.stage!r}; there are {', '.join(each.stage for each in before)}")
    if made.probability is None:
        raise UsageError(
            f"{promise.stage} cannot promise that on {number(made.labels)} labels; `what-if` shows what it can"
        )
    after = [made if each.stage == made.stage else each for each in before]
    folder = workspace / "models" / training_set.recipe["target"]["name"] / "reset" / "model"
    rewrite_artifact(champion.folder, folder, {**about, "thresholds": [each.to_dict() for each in after]})
    example = training_set.read([each["name"] for each in about["features"]]).slice(0, EXAMPLE_ROWS)
    with registry.run(name) as mlflow:
        mlflow.set_tags({"sets_threshold": promise.stage, "of_version": champion.version})
        version = registry.log_model(mlflow, name, folder, champion.judge, example)
    registry.alias(name, version, CHAMPION, reason)
    return Set(made, version, champion.version)
