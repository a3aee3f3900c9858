"""Scores leads with one model: histories in; probabilities, intervals, stages and contributions out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories
from data.vocabulary import Vocabulary
from features.catalogue import from_json
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.labels import Target
from features.words import Words
from training.measuring.evidence import evidence_from
from training.model.encoding import Encoder
from training.samples.log_odds import Array
from training.thresholds.threshold import threshold_from

UNQUALIFIED = "unqualified"


class Trees(Protocol):
    """What a scorer needs of a model; `about` is the content of its model.json."""

    about: dict[str, Any]

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
    """One row per moment.

    probability: float64[n], calibrated. interval: float64[n, 2], 95 %, of the share among leads that score alike.
    stage: str[n]. features: the feature table. matrix: float64[n, features], as the model sees it.
    """

    probability: Array
    interval: Array
    stage: NDArray[np.str_]
    features: pa.Table
    matrix: Array


class Scorer:
    """Scores moments with the catalogue that the model was trained on; holds no state but the model."""

    def __init__(self, model: Trees) -> None:
        about = model.about
        self.model = model
        self.catalogue = from_json(about["catalogue"])
        self.plan = compile_plan(self.catalogue, vocabulary_from(about["vocabulary"]))
        self.target = Target.from_json(about["target"])
        self.words: Words = about["words"]
        self.encoder = Encoder(
            tuple(each["name"] for each in about["features"]),
            tuple(tuple(each["categories"]) if "categories" in each else None for each in about["features"]),
        )
        self.evidence = evidence_from(about["evidence"])
        self.thresholds = [threshold_from(each) for each in about["thresholds"]]

    def score(self, histories: Histories, moments: Moments) -> Scores:
        """Scores of moments, sorted by (lead, as_of)."""
        features = compute(self.plan, histories, moments)
        matrix = self.encoder.matrix(features).astype(np.float64)
        probability = self.model.predict(matrix) if len(matrix) else np.empty(0)
        interval = self.evidence.interval(probability)
        return Scores(probability, interval, self.stages(probability), features, matrix)

    def stages(self, probability: Array) -> NDArray[np.str_]:
        """str[n]: the highest stage whose threshold a probability reaches."""
        stage = np.full(len(probability), UNQUALIFIED, dtype="U16")
        for each in sorted(self.thresholds, key=lambda each: each.probability or 0.0):
            if each.probability is not None:
                stage[probability >= each.probability] = each.stage
        return stage


def vocabulary_from(values: Mapping[str, Any]) -> Vocabulary:
    """A vocabulary as it stands in a recipe or a model."""
    return Vocabulary(tuple(values["types"]), {name: tuple(types) for name, types in values["groups"].items()})
