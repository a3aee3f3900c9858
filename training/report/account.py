"""All that a report tells of a model, and in which language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from features.labels import Target
from features.numbers_in_words import Language
from training.artifact.manifest import TrainedOn
from training.calibration.calibrator import CalibrationTrial, Calibrator
from training.measuring.evaluation import Evaluation
from training.model.permutation import Shuffled
from training.monitoring.data_profile import DataProfile
from training.recipe.learning_curve import LearningCurve
from training.thresholds.promise_check import CheckedCell
from training.thresholds.threshold import Threshold


@dataclass(frozen=True)
class Background:
    """What was looked at beside the judging: what more data would bring, what the model rests on, the data."""

    curve: LearningCurve
    shuffled: Sequence[Shuffled]
    profile: DataProfile


@dataclass(frozen=True)
class TrainingAccount:
    """Who the model is, how it was judged, what it promises, on what it was trained.

    judged_from, judged_to: dates. words: names of features -> what they measure, in the account's language.
    """

    name: str
    digest: str
    target: Target
    trained_on: TrainedOn
    judged_from: str
    judged_to: str
    evaluation: Evaluation
    by_age: Mapping[str, Evaluation]
    thresholds: Sequence[Threshold]
    calibration: Calibrator
    trials: Sequence[CalibrationTrial] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, CheckedCell]] = field(default_factory=dict)
    background: Background | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    language: Language = "en"
