"""Another threshold for the champion, without training: a new version with the same boosters, and the reason."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from data.contract import UsageError
from features.numbers_in_words import chance, number
from features.training_set import TrainingSet
from training.champion_choice import succeeds
from training.recipe.plan import Promise
from training.registration import register
from training.registry.artifact_files import read_grounds, rewrite_artifact
from training.registry.registered import Registered
from training.registry.registry import Registry
from training.registry.run_folder import JUDGE, MODEL, finished, run_draft
from training.thresholds.stages import are_in_order
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence

EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Set:
    """What came of it: the threshold, the version that is champion now, and the one that was."""

    threshold: Threshold
    version: str
    before: str


def thresholds_of(champion: Registered) -> list[Threshold]:
    """The thresholds in force, with what past weeks would have brought. Raises DataError for a damaged model."""
    manifest = champion.load().manifest
    if manifest.grounds is None:
        return list(manifest.thresholds)
    grounds = read_grounds(champion.folder, manifest)
    return [grounds.with_arrivals(threshold) for threshold in manifest.thresholds]


def grounds_of(champion: Registered) -> ThresholdEvidence:
    """The grounds of the champion's thresholds. Raises DataError when they were not kept."""
    return read_grounds(champion.folder, champion.load().manifest)


def set_threshold(training_set: TrainingSet, registry: Registry, promise: Promise, reason: str) -> Set:
    """Gives the champion's stage another promise; servers take the new version up. Raises UsageError, DataError.

    A promise that cannot be made is refused and changes nothing.
    """
    target = training_set.recipe.target.name
    champion = registry.champion(registry.model_name(target))
    manifest, grounds = champion.load().manifest, grounds_of(champion)
    made, stages = grounds.threshold(promise.threshold), [threshold.stage for threshold in manifest.thresholds]
    if promise.stage not in stages:
        raise UsageError(f"there is no stage {promise.stage!r}; there are {', '.join(stages)}")
    if made.probability is None:
        raise UsageError(
            f"{promise.stage} cannot promise that on {number(made.labels)} labels; `what-if` shows what it can"
        )
    after = tuple(made if threshold.stage == made.stage else threshold for threshold in manifest.thresholds)
    if not are_in_order(threshold.probability for threshold in after):
        raise UsageError(
            f"{promise.stage} would begin at {chance(made.probability)}, and the stages would no longer follow each "
            "other; `what-if` shows where the others begin"
        )
    example = training_set.read([feature.name for feature in manifest.features]).slice(0, EXAMPLE_ROWS)
    tags = {"sets_threshold": promise.stage, "of_version": champion.version}
    with run_draft(registry.workspace, target) as draft:
        rewrite_artifact(champion.folder, draft / MODEL, replace(manifest, thresholds=after))
        shutil.copytree(champion.judge, draft / JUDGE)
        run = finished(draft, target, example, tags=tags, base=champion.version, reason=reason)
    registered = register(registry, run, lambda: succeeds(registry, run))
    return Set(made, registered.version, champion.version)
