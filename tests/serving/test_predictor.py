"""The own walk down the trees gives what LightGBM gives, to 1e-12, from any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from serving.scoring.served_model import ServedModel
from serving.trees.predictor import Predictor
from tests.serving.workshop import Workshop
from training.artifact.loaded_model import read_artifact
from training.artifact.standalone import ArtifactError, Model, load
from training.samples.log_odds import Array

ROWS = 3_000


@pytest.fixture(scope="module")
def reference(workshop: Workshop) -> Model:
    return load(workshop.artifact)


def rows(model: Model, n: int = ROWS) -> Array:
    """Rows as they may come: missing values, zeros, huge numbers, codes that no training row had."""
    rng = np.random.default_rng(7)
    matrix: Array = rng.normal(size=(n, len(model.features))) * rng.choice([1e-36, 1.0, 10.0, 300.0, 1e30], (n, 1))
    for place, codes in enumerate(model.codes):
        if codes is not None:
            matrix[:, place] = rng.integers(-1, len(codes) + 40, n)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    matrix[rng.random(matrix.shape) < 0.1] = 0.0
    return matrix


def test_log_odds_equal_those_of_lightgbm(live: ServedModel, reference: Model) -> None:
    matrix = rows(reference)
    assert np.ptp(reference.raw(matrix)) > 0.5
    np.testing.assert_allclose(live.predictor.parts(matrix)[:, 0], reference.raw(matrix), rtol=0, atol=1e-12)
    np.testing.assert_allclose(live.predictor.predict(matrix), reference.predict(matrix), rtol=0, atol=1e-12)


def test_explanations_are_those_of_lightgbm(live: ServedModel, reference: Model) -> None:
    matrix = rows(reference, 50)
    expected = reference.contributions(matrix)
    np.testing.assert_allclose(live.predictor.contributions(matrix), expected, rtol=0, atol=1e-12)


def test_fit_and_engagement_add_up_to_the_log_odds(live: ServedModel, reference: Model) -> None:
    raw, fit, engagement = live.predictor.parts(rows(reference)).T
    np.testing.assert_allclose(live.predictor.base + fit + engagement, raw, rtol=0, atol=1e-12)


def test_each_split_counts_for_the_family_of_its_feature(
    live: ServedModel, reference: Model, workshop: Workshop
) -> None:
    """Against a plain walk over LightGBM's own dump of the trees, one split after the other."""
    boosters, is_fit = reference.boosters, live.predictor.is_fit

    def mean(at: dict[str, Any]) -> float:
        if "leaf_value" in at:
            return float(at["leaf_value"])
        left, right = at["left_child"], at["right_child"]
        share = count(left) / (count(left) + count(right))
        return share * mean(left) + (1 - share) * mean(right)

    def count(at: dict[str, Any]) -> int:
        return int(at["leaf_count"] if "leaf_value" in at else at["internal_count"])

    def goes_left(value: float, at: dict[str, Any]) -> bool:
        if at["decision_type"] == "==":
            return not np.isnan(value) and value >= 0 and str(int(value)) in at["threshold"].split("||")
        if np.isnan(value) and at["missing_type"] != "NaN":
            value = 0.0
        if np.isnan(value) or (at["missing_type"] == "Zero" and abs(value) <= 1e-35):
            return bool(at["default_left"])
        return bool(value <= at["threshold"])

    def fit(at: dict[str, Any], row: Array) -> float:
        added = 0.0
        while "leaf_value" not in at:
            child = at["left_child" if goes_left(row[at["split_feature"]], at) else "right_child"]
            added += (mean(child) - mean(at)) * is_fit[at["split_feature"]]
            at = child
        return added

    trees = [tree["tree_structure"] for booster in boosters for tree in booster.dump_model()["tree_info"]]
    matrix = rows(reference, 20)
    fits = live.predictor.parts(matrix)[:, 1]
    assert np.ptp(fits) > 0.01
    for row, part in zip(matrix, fits, strict=True):
        assert part == pytest.approx(sum(fit(tree, row) for tree in trees) / len(boosters), abs=1e-12)


def test_a_row_scores_alike_alone_and_in_company(live: ServedModel, reference: Model) -> None:
    matrix = rows(reference, 100)
    alone = np.concatenate([live.predictor.parts(matrix[i : i + 1]) for i in range(len(matrix))])
    assert np.array_equal(alone, live.predictor.parts(matrix))


def test_many_threads_get_the_same_answers(live: ServedModel, reference: Model) -> None:
    matrix = rows(reference, 1_200)
    expected = live.predictor.predict(matrix)

    def one_by_one(_: int) -> Array:
        return np.concatenate([live.predictor.predict(matrix[i : i + 1]) for i in range(len(matrix))])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one_by_one, range(4)))
    assert len(answers) == 4
    assert all(np.array_equal(answer, expected) for answer in answers)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=1", "left_child=-9999"),
        ("split_feature=", "split_feature=9999 "),
        ("leaf_value=", "leaf_value=x "),
        ("num_leaves=", "num_leaves=900"),
        ("is_linear=0", "is_linear=1"),
        ("Tree=", "Shrub="),
    ],
)
def test_a_text_that_is_no_model_is_refused(workshop: Workshop, old: str, new: str) -> None:
    manifest, texts = read_artifact(workshop.artifact)
    assert old in texts[0]
    with pytest.raises(ArtifactError):
        Predictor(manifest, [text.replace(old, new, 1) if old != "Tree=" else text.replace(old, new) for text in texts])
