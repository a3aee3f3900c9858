"""An artifact of a hazard model scores as the model that was fitted, for every horizon, and explains what it says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.vocabulary import Vocabulary
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from tests.artifacts import TRAINED_ON, edit_manifest
from tests.training.test_hazard import HORIZON, Made, fitted, leads
from training.artifact.standalone import ArtifactError, Model, explained, load
from training.calibration.calibrator import Calibrator
from training.measuring.evidence import Evidence
from training.model.encoding import table_of
from training.model.hazard import HazardClassifier
from training.registry.artifact_files import write_artifact
from training.samples.log_odds import Array

RECIPE = Recipe("", 0, Vocabulary(()), (), Target("conversion", ("deal_won",), horizon_days=HORIZON), MomentPolicy())
Kept = tuple[Path, HazardClassifier, Made]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """An artifact, the model that it is of, and what that was fitted to."""
    made = leads(3_000, watched=40)
    model = fitted(made)
    model.calibrator_ = Calibrator("beta", 1.2, 0.9, -0.1)
    folder = tmp_path_factory.mktemp("kept") / "model"
    write_artifact(folder, model, RECIPE, (), Evidence((0.0,), (10.0,), (1.0,)), TRAINED_ON)
    return folder, model, made


def rows_for(model: HazardClassifier, made: Made) -> Array:
    matrix: Array = model.encoder_.matrix(table_of(made[0])).astype(np.float64)
    return matrix


def test_it_scores_as_the_model_that_was_fitted(saved: Kept) -> None:
    folder, model, made = saved
    again, matrix = load(folder), rows_for(model, made)
    np.testing.assert_allclose(again.predict(matrix), model.predict_proba(made[0])[:, 1], rtol=1e-12)
    within = np.column_stack([again.predict_within(matrix, days) for days in (1, 7, 20, HORIZON)])
    np.testing.assert_allclose(within, model.predict_within(made[0], [1, 7, 20, HORIZON]), rtol=1e-12)
    assert (np.diff(within, axis=1) >= 0).all()


def test_a_row_alone_scores_as_among_others(saved: Kept) -> None:
    folder, model, made = saved
    again, matrix = load(folder), rows_for(model, made)
    np.testing.assert_array_equal(
        [again.predict(row[np.newaxis])[0] for row in matrix[:20]], again.predict(matrix)[:20]
    )


def test_what_features_add_is_all_there_is(saved: Kept) -> None:
    folder, model, made = saved
    again, matrix = load(folder), rows_for(model, made)
    parts = again.contributions(matrix)
    assert parts.shape == (len(matrix), matrix.shape[1] + 1)
    np.testing.assert_allclose(parts.sum(axis=1), again.raw(matrix), atol=1e-9)
    np.testing.assert_allclose(parts[:, -1], parts[:, -1].mean(), atol=0.3)
    interest = again.features.index("interest")
    assert np.corrcoef(parts[:, interest], matrix[:, interest])[0, 1] > 0.9


SHAP = st.lists(st.floats(-4, 4), min_size=15, max_size=15).map(lambda drawn: np.array(drawn).reshape(1, 3, 5))


@given(SHAP)
@settings(max_examples=200)
def test_the_base_is_what_a_row_without_features_would_have(shap: Array) -> None:
    offsets = [-3.0, -2.5, -4.0]
    nothing = shap.copy()
    nothing[:, :, :3] = 0
    np.testing.assert_allclose(explained(shap, offsets)[:, -1], explained(nothing, offsets)[:, -1], atol=1e-4)


@pytest.mark.parametrize(
    "periods",
    [
        {"ends": [3, 3], "offsets": [0.1, 0.1]},
        {"ends": [7, 3], "offsets": [0.1, 0.1]},
        {"ends": [0, 3], "offsets": [0.1, 0.1]},
        {"ends": [3, 30], "offsets": [0.1]},
        {"ends": [], "offsets": []},
        {"ends": [3]},
        {"ends": [3], "offsets": ["x"]},
        None,
    ],
)
def test_periods_that_are_none_are_refused(saved: Kept, tmp_path: Path, periods: Any) -> None:
    folder = saved[0]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    edit_manifest(tmp_path, lambda plain: plain.update(periods=periods))
    with pytest.raises(ArtifactError):
        load(tmp_path)


def test_a_model_of_one_horizon_knows_no_other(saved: Kept) -> None:
    folder, model, made = saved
    again = load(folder)
    fixed = Model({**again.about, "periods": None}, again.boosters)
    with pytest.raises(ValueError, match="this model knows a horizon of 30 days alone"):
        fixed.predict_within(rows_for(model, made), 7)


def test_the_same_model_gives_the_same_bytes(saved: Kept, tmp_path: Path) -> None:
    folder, model, _ = saved
    digest = write_artifact(tmp_path / "again", model, RECIPE, (), Evidence((0.0,), (10.0,), (1.0,)), TRAINED_ON)
    assert digest == hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
