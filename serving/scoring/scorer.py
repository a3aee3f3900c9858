"""Scores leads with one model: histories in; probabilities, intervals, stages and contributions out."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from data.histories import Histories
from data.log.eventlog import EventLog
from features.compiler import compile_plan
from features.kernel import Moments, compute
from serving.scoring.bands import Bands
from training.artifact.manifest import Manifest
from training.model.encoding import Encoder
from training.samples.log_odds import Array
from training.thresholds.stages import StageThreshold, first_stages
from training.thresholds.threshold import stage_thresholds


class Trees(Protocol):
    """What a scorer needs of a model."""

    manifest: Manifest

    def predict(self, matrix: Array) -> Array:
        """float64[n]: calibrated probabilities."""

    def within(self, matrix: Array, days: float) -> Array:
        """float64[n]: calibrated probabilities of converting within so many days. Raises ValueError for others."""

    def parts(self, matrix: Array) -> Array:
        """float64[n, 3]: log-odds before calibration, and what fit and engagement add to the trees' mean in them."""

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1]: SHAP values on the log-odds, the base last."""


@dataclass(frozen=True)
class Scores:
    """What a model says of n moments.

    probability: float64[n], calibrated. interval: n pairs, 95 %, of the share among leads that score alike. stage: n
    names, of leads without a history of stages. matrix: float64[n, features], as the model sees it.
    """

    probability: Array
    interval: list[tuple[float, float]]
    stage: list[str]
    matrix: Array


@dataclass(frozen=True)
class FeatureScores(Scores):
    """Scores with the feature table that they rest on."""

    features: pa.Table


class Scorer:
    """Scores moments with the catalogue that the model was trained on; holds no state but the model."""

    def __init__(self, model: Trees) -> None:
        manifest = model.manifest
        self.model = model
        self.catalogue = list(manifest.catalogue)
        self.definitions = {definition.name: definition for definition in self.catalogue}
        self.plan = compile_plan(self.catalogue, manifest.vocabulary, manifest.trained_on.unobserved)
        self.target = manifest.target
        self.words = manifest.words
        self.encoder = Encoder.of(manifest.features)
        self.evidence = manifest.evidence
        self.bands = Bands(self.evidence)
        self.thresholds = list(manifest.thresholds)
        self.usual = manifest.usual

    def beside(self, log: EventLog) -> Scorer:
        """The same for histories of a log, which knows itself which event types are not observed any more."""
        scorer = copy(self)
        scorer.plan = compile_plan(self.catalogue, self.plan.vocabulary, log.watermarks.unobserved())
        return scorer

    def score(self, histories: Histories, moments: Moments) -> FeatureScores:
        """Scores of moments, sorted by (lead, as_of), under the model's own thresholds."""
        features = compute(self.plan, histories, moments)
        matrix = self.encoder.matrix(features).astype(np.float64)
        probability = self.model.predict(matrix) if len(matrix) else np.empty(0)
        scores = self.judged(probability, matrix, stage_thresholds(self.thresholds))
        return FeatureScores(**vars(scores), features=features)

    def judged(self, probability: Array, matrix: Array, stages: Sequence[StageThreshold]) -> Scores:
        """The scores that probabilities make, float64[n], under thresholds of stages."""
        interval = self.bands.intervals(probability)
        return Scores(probability, interval, first_stages(probability.tolist(), stages), matrix)
