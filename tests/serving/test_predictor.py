"""The own walk down the trees gives what LightGBM gives, to 1e-12, from any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.live import Live
from serving.predictor import Predictor
from serving.trees import forest_of
from tests.serving.workshop import Workshop
from training.logits import Array
from training.standalone import ArtifactError, Model, load, read

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


def test_log_odds_equal_those_of_lightgbm(live: Live, reference: Model) -> None:
    matrix = rows(reference)
    assert np.ptp(reference.raw(matrix)) > 0.5
    np.testing.assert_allclose(live.predictor.parts(matrix)[:, 0], reference.raw(matrix), rtol=0, atol=1e-12)
    np.testing.assert_allclose(live.predictor.predict(matrix), reference.predict(matrix), rtol=0, atol=1e-12)


def test_explanations_are_those_of_lightgbm(live: Live, reference: Model) -> None:
    matrix = rows(reference, 50)
    expected = reference.contributions(matrix)
    np.testing.assert_allclose(live.predictor.contributions(matrix), expected, rtol=0, atol=1e-12)


def test_fit_and_engagement_add_up_to_the_log_odds(live: Live, reference: Model) -> None:
    raw, fit, engagement = live.predictor.parts(rows(reference)).T
    np.testing.assert_allclose(live.predictor.base + fit + engagement, raw, rtol=0, atol=1e-12)


def test_fit_is_the_exact_shapley_value_of_two_players(live: Live, reference: Model, workshop: Workshop) -> None:
    """Against a plain recursion over the trees, one split after the other."""
    forest, is_fit = forest_of(read(workshop.artifact)[1]), live.predictor.is_fit

    def worth(row: Array, known: np.ndarray, node: int) -> float:
        at = forest.nodes[node]
        if at["feature"] < 0:
            return float(at["mean"])
        left, right = int(at["left"]), int(at["right"])
        if not known[at["feature"]]:
            share = float(at["left_share"])
            return share * worth(row, known, left) + (1 - share) * worth(row, known, right)
        return worth(row, known, left if goes_left(row[at["feature"]], at) else right)

    def goes_left(value: float, at: np.void) -> bool:
        kind = int(at["kind"])
        if kind & 1:
            first, last = forest.starts[int(at["threshold"])], forest.starts[int(at["threshold"]) + 1]
            words = [int(each) for each in forest.members[first:last]]
            members = {32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1}
            return not np.isnan(value) and value >= 0 and int(value) in members
        if np.isnan(value) and not kind & 8:
            value = 0.0
        if np.isnan(value) or (kind & 4 and abs(value) <= 1e-35):
            return bool(kind & 2)
        return bool(value <= at["threshold"])

    def all_trees(row: Array, known: np.ndarray) -> float:
        return sum(worth(row, known, int(root)) for root in forest.roots)

    nothing = np.zeros_like(is_fit)
    for row, told in zip(rows(reference, 20), live.predictor.parts(rows(reference, 20))[:, 1], strict=True):
        alone = all_trees(row, is_fit) - all_trees(row, nothing)
        joining = all_trees(row, ~nothing) - all_trees(row, ~is_fit)
        assert told == pytest.approx((alone + joining) / 2, abs=1e-12)


def test_many_threads_get_the_same_answers(live: Live, reference: Model) -> None:
    matrix = rows(reference, 1_200)
    expected = live.predictor.predict(matrix)

    def one_by_one(_: int) -> Array:
        return np.concatenate([live.predictor.predict(matrix[i : i + 1]) for i in range(len(matrix))])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one_by_one, range(4)))
    assert len(answers) == 4
    assert all(np.array_equal(each, expected) for each in answers)


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
    about, texts = read(workshop.artifact)
    assert old in texts[0]
    with pytest.raises(ArtifactError):
        Predictor(about, [text.replace(old, new, 1) if old != "Tree=" else text.replace(old, new) for text in texts])
