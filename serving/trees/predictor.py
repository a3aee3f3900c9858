"""The trees and the calibrator of one artifact, ready for one row or many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serving.trees.bit_masks import masks_of, predict
from serving.trees.hazard_predictor import HazardPredictor
from serving.trees.tree_shap import Explained
from serving.trees.trees import forest_of
from training.artifact.loaded_model import read_artifact
from training.artifact.manifest import Manifest
from training.artifact.standalone import ArtifactError, calibrated
from training.samples.log_odds import Array

if TYPE_CHECKING:
    from training.registry.registered import Registered


class Predictor:
    """Predicts as `training.artifact.standalone.Model` does, equal to 1e-12, without importing LightGBM's package.

    Its state never changes, so any number of threads may ask.
    """

    def __init__(self, manifest: Manifest, texts: Sequence[str]) -> None:
        manifest.check_servable()
        self.manifest = manifest
        self.texts = texts
        self.width = len(manifest.features)
        family = {definition.name: definition.family for definition in manifest.catalogue}
        self.is_fit = np.array([family[feature.name] == "fit" for feature in manifest.features], dtype=np.bool_)
        calibrator, periods = manifest.calibrator, manifest.periods
        self.calibrator = float(calibrator.a), float(calibrator.b), float(calibrator.c)
        self.timeline = None if periods is None else HazardPredictor(texts, periods, self.is_fit)
        if self.timeline is not None:
            self.base = self.timeline.base
            return
        forest = forest_of(texts)
        if forest.nodes["feature"].max() >= self.width:
            raise ArtifactError("the boosters do not fit the features that model.json names; train again")
        self.base = float(forest.mean[forest.roots].sum())
        self.masks = masks_of(forest, self.is_fit)

    @staticmethod
    def load(folder: Path) -> Predictor:
        """Reads an artifact, every file compared with its sha256 first. Raises ArtifactError."""
        return Predictor(*read_artifact(folder))

    @staticmethod
    def of(registered: Registered) -> Predictor:
        """A registered model. Raises DataError when it is damaged, or not the one that was registered."""
        registered.load()
        return Predictor.load(registered.folder)

    def parts(self, matrix: Array) -> Array:
        """float64[n, 3]: log-odds before calibration, and what fit and engagement add to the trees' mean in them."""
        return self.all(matrix)[:, :3]

    def predict(self, matrix: Array) -> Array:
        """float64[n]: calibrated probabilities of an encoded matrix, float64[n, features]."""
        return self.all(matrix)[:, 3]

    def all(self, matrix: Array) -> Array:
        """float64[n, 4]: the three of `parts`, and the calibrated probability."""
        if self.timeline is not None:
            return self.timeline.all(matrix, self.calibrator)
        return np.asarray(predict(self.masks, self.base, self.calibrator, matrix))

    def within(self, matrix: Array, days: float) -> Array:
        """float64[n]: calibrated probabilities of converting within so many days, never falling in days.

        Raises ValueError for days that the model does not know: one without periods knows its horizon alone.
        """
        if self.timeline is not None:
            return calibrated(self.timeline.within(matrix, days), self.manifest.calibrator.to_dict())
        horizon = self.manifest.target.horizon_days
        if days != horizon:
            raise ValueError(
                f"within {days!r} days: this model knows its horizon of {horizon} days alone; one trained with "
                'training.model = "hazard" knows any up to it'
            )
        return self.predict(matrix)

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1]: what each feature adds to the log-odds before calibration; last comes the base."""
        return (self.timeline or self._explained).contributions(matrix)

    @cached_property
    def _explained(self) -> Explained:
        return Explained(self.texts, self.width)
