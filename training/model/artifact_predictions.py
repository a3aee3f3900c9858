"""What an artifact's model says of the rows of a sample."""

from __future__ import annotations

import numpy as np

from training.artifact.loaded_model import LoadedModel
from training.model.encoding import Encoder
from training.samples.log_odds import Array
from training.samples.sample import Sample


def predict(model: LoadedModel, rows: Sample) -> Array:
    """Probabilities (n) of an artifact's model for the rows of a sample."""
    matrix = Encoder.of(model.manifest.features).matrix(rows.features)
    return model.predict(matrix.astype(np.float64))
