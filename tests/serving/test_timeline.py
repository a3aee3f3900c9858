"""A hazard model scores in the server as in its artifact, and its trees need no walk for each period."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from features.training_set import TrainingSet
from serving.trees.predictor import Predictor
from serving.trees.pruning import pruned
from serving.trees.tree_shap import Booster
from tests.artifacts import TRAINED_ON
from tests.serving.test_predictor import rows
from training.artifact.loaded_model import read_artifact
from training.artifact.standalone import ArtifactError, Model, load, read
from training.artifact.tree_text import only, splits_on, trees_of
from training.measuring.evidence import Evidence
from training.model.members import Hyperparameters
from training.recipe.train import fit_model
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample
from workspace import Workspace


@pytest.fixture(scope="module")
def artifact(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hazard model of the small funnel, changed so that active leads convert early and others late."""
    training_set = TrainingSet.open(trained.training_set_path)
    sample, plan = read_sample(training_set), trained.settings.training_plan
    count = sample.features.column("count_any_ever").to_numpy()
    active = count > np.median(count[sample.y == 1])
    event = np.where(np.isnan(sample.event_days), np.nan, np.where(active, 1.0, 25.0))
    sample = replace(sample, event_days=event, observed_days=np.full(len(sample), 30.0))
    parameters: Hyperparameters = {**plan.parameters, "learning_rate": 0.1, "min_leaf": 10, "column_share": 1.0}
    model = fit_model(sample, replace(plan, model="hazard", twin="yes", parameters=parameters))
    folder = tmp_path_factory.mktemp("hazard") / "model"
    write_artifact(folder, model, training_set.recipe, (), Evidence((0.0,), (9.0,), (1.0,)), TRAINED_ON)
    return folder


@pytest.fixture(scope="module")
def reference(artifact: Path) -> Model:
    return load(artifact)


@pytest.fixture(scope="module")
def predictor(artifact: Path) -> Predictor:
    return Predictor.load(artifact)


def test_log_odds_of_every_horizon_equal_those_of_lightgbm(predictor: Predictor, reference: Model) -> None:
    matrix = rows(reference, 1_000)
    assert np.ptp(reference.raw(matrix)) > 0.5
    np.testing.assert_allclose(predictor.parts(matrix)[:, 0], reference.raw(matrix), rtol=0, atol=1e-12)
    np.testing.assert_allclose(predictor.predict(matrix), reference.predict(matrix), rtol=0, atol=1e-12)
    for days in (0.5, 3, 7, 18, 30):
        expected = reference.predict_within(matrix, days)
        np.testing.assert_allclose(predictor.within(matrix, days), expected, rtol=0, atol=1e-12)


def test_explanations_are_those_of_the_artifact(predictor: Predictor, reference: Model) -> None:
    matrix = rows(reference, 50)
    expected = reference.contributions(matrix)
    np.testing.assert_allclose(predictor.contributions(matrix), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(expected.sum(axis=1), reference.raw(matrix), rtol=0, atol=1e-9)


@pytest.mark.parametrize("selection", ["none", "first", "last", "every other", "all"])
def test_some_trees_and_the_others_explain_what_all_of_them_do(
    predictor: Predictor, reference: Model, selection: str
) -> None:
    for text in predictor.texts:
        n, width = len(trees_of([text])), len(reference.features) + 1
        matrix = np.column_stack([rows(reference, 20), np.arange(20) % 3])
        chosen = {
            "none": [False] * n,
            "first": [i == 0 for i in range(n)],
            "last": [i == n - 1 for i in range(n)],
            "every other": [i % 2 == 0 for i in range(n)],
            "all": [True] * n,
        }[selection]
        one, others = (Booster(only(text, which), width) for which in (chosen, [not used for used in chosen]))
        assert len(trees_of([only(text, chosen)])) == sum(chosen)
        contributions = one.contributions(matrix) + others.contributions(matrix)
        np.testing.assert_allclose(contributions, Booster(text, width).contributions(matrix), rtol=0, atol=1e-12)


def test_fit_and_engagement_add_up_to_the_log_odds(predictor: Predictor, reference: Model) -> None:
    raw, fit, engagement = predictor.parts(rows(reference, 500)).T
    assert np.ptp(fit) > 0.01
    np.testing.assert_allclose(predictor.base + fit + engagement, raw, rtol=0, atol=1e-12)


def test_a_row_scores_alike_alone_and_in_company(predictor: Predictor, reference: Model) -> None:
    matrix = rows(reference, 60)
    alone = np.concatenate([predictor.parts(matrix[i : i + 1]) for i in range(len(matrix))])
    assert np.array_equal(alone, predictor.parts(matrix))


def test_a_horizon_that_was_not_learnt_is_refused(predictor: Predictor, reference: Model) -> None:
    with pytest.raises(ValueError, match="above 0 and up to 30 days"):
        predictor.within(rows(reference, 1), 31)


def test_a_pruned_tree_says_what_the_whole_one_says_of_that_period() -> None:
    """Artifacts that were made before models were nested ask all their trees for the period."""
    rng = np.random.default_rng(4)
    matrix = np.column_stack([rng.normal(size=(900, 2)), np.arange(900) % 3])
    y = rng.random(900) < np.where(matrix[:, 2] > 0, 0.5 + 0.4 * np.sign(matrix[:, 0]), 0.2)
    parameters = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, y.astype(float)), 20)
    trees = trees_of([booster.model_to_string()])
    looking = [number for number, tree in enumerate(trees) if splits_on(tree, 2)]
    assert looking
    for number in looking:
        for k in range(3):
            matrix[:, 2] = k
            tree = pruned(trees[number], 2, k)
            assert not splits_on(tree, 2)
            expected = set(booster.predict(matrix, raw_score=True, start_iteration=number, num_iteration=1).tolist())
            assert expected <= {float(value) for value in tree["leaf_value"]}


def test_early_and_late_have_trees_of_their_own(reference: Model) -> None:
    assert reference.periods is not None
    assert reference.periods.get("models") == [0, 0, 1, 1, 1]
    odds = reference.predict_within(rows(reference, 300), 7) / reference.predict(rows(reference, 300))
    assert np.ptp(odds) > 0.3, "how much of the horizon's probability lies in the first week is a matter of the lead"


@pytest.mark.parametrize(("old", "new"), [("left_child=1", "left_child=-9999"), ("threshold=", "threshold=x ")])
def test_a_text_that_is_no_model_is_refused(artifact: Path, old: str, new: str) -> None:
    manifest, texts = read_artifact(artifact)
    broken = [text.replace(old, new) for text in texts]
    assert broken != texts
    with pytest.raises(ArtifactError):
        Predictor(manifest, broken)


def test_the_booster_is_read_by_lightgbm_as_it_is_written(artifact: Path) -> None:
    _, texts = read(artifact)
    assert all(lightgbm.Booster(model_str=text).num_feature() == len(load(artifact).features) + 1 for text in texts)
