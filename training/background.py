"""What is looked at beside the judging of a model: what more data would bring, what it rests on, the data."""

from __future__ import annotations

from collections.abc import Sequence

from data.log.watermarks import Observed
from training.model.permutation import permutation_importance
from training.monitoring.data_profile import data_profile
from training.recipe.learning_curve import learning_curve
from training.recipe.plan import TrainingPlan
from training.recipe.train import Classifier, Split
from training.report.account import Background
from training.samples.sample import Sample


def background_of(
    sample: Sample, split: Split, blind: Classifier, plan: TrainingPlan, observed: Sequence[Observed] = ()
) -> Background:
    """Of all moments, their split, and the judge that has not seen the newest slice. observed: what sources told."""
    return Background(
        learning_curve(split, plan),
        permutation_importance(blind, split.judged),
        data_profile(sample, split.learn, split.judged, observed),
    )
