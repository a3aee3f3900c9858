"""Many rows through small trees: LightGBM itself is the oracle, bit for bit."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from training.artifact.tree_text import trees_of
from training.model.small_trees import SmallTrees, in_parts, scoring

CATEGORY = 2


def matrix_of(rows: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Counts with many zeros, numbers, negative numbers, a category, and values missing in all of them."""
    draw = np.random.default_rng(seed)
    matrix = draw.poisson(0.7, (rows, 5)).astype(np.float32)
    matrix[:, 1], matrix[:, 3] = draw.exponential(3, rows), draw.normal(0, 1, rows)
    matrix[:, CATEGORY] = draw.integers(0, 40, rows)
    matrix[draw.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 4] = np.nan_to_num(matrix[:, 4], nan=1.0)  # a column that is never missing while it is learnt from
    return matrix


def booster_of(seed: int, **parameters: object) -> lightgbm.Booster:
    matrix = matrix_of(3_000, seed)
    known = np.nan_to_num(matrix)
    z = known[:, 0] - 0.3 * known[:, 1] + (known[:, CATEGORY] % 3 == 0) + np.isnan(matrix[:, 3]) + 0.2 * known[:, 4] - 2
    y = np.random.default_rng(seed).random(len(z)) < 1 / (1 + np.exp(-z))
    settings = {"objective": "binary", "num_leaves": 7, "seed": seed, "verbosity": -1, "num_threads": 1, **parameters}
    data = lightgbm.Dataset(matrix, y.astype(int), categorical_feature=[CATEGORY], params=settings)
    return lightgbm.Booster(model_str=lightgbm.train(settings, data, 30).model_to_string())


@pytest.mark.parametrize("leaves", [2, 7, 8])
@pytest.mark.parametrize("extra", [False, True])
def test_log_odds_are_those_of_lightgbm(leaves: int, extra: bool) -> None:
    """Also of rows with categories that no tree has seen, infinities, and values just beside a threshold."""
    booster = booster_of(leaves, num_leaves=leaves, extra_trees=extra)
    trees = SmallTrees.of(trees_of([booster.model_to_string()]))
    rows = matrix_of(5_000, 99)
    rows[:200, CATEGORY] = np.arange(200)
    rows[200:220, 1], rows[220:240, 1], rows[240:300, 4] = np.inf, -np.inf, np.nan
    numbers = np.flatnonzero(trees.member < 0)[:400]
    beside = np.nextafter(trees.threshold[numbers], np.where(numbers % 2 > 0, np.inf, -np.inf).astype(np.float32))
    rows[300 + np.arange(len(numbers)), trees.column[numbers]] = np.where(
        numbers % 3 == 0, trees.threshold[numbers], beside
    )
    assert (trees.log_odds(rows) == booster.predict(rows, raw_score=True)).all()


def test_trees_that_are_not_small_are_left_to_lightgbm() -> None:
    booster, rows = booster_of(1, num_leaves=31), matrix_of(500, 5)
    with pytest.raises(ValueError, match="31 leaves"):
        SmallTrees.of(trees_of([booster.model_to_string()]))
    assert (scoring(booster.model_to_string())(rows) == booster.predict(rows, raw_score=True)).all()


def test_a_tree_that_takes_zero_for_missing_is_left_to_lightgbm() -> None:
    booster, rows = booster_of(2, zero_as_missing=True), matrix_of(500, 5)
    with pytest.raises(ValueError, match="0 for missing"):
        SmallTrees.of(trees_of([booster.model_to_string()]))
    assert (scoring(booster.model_to_string())(rows) == booster.predict(rows, raw_score=True)).all()


def test_no_tree_and_no_row_are_nothing() -> None:
    assert SmallTrees.of([]).log_odds(matrix_of(3, 0)).tolist() == [0.0, 0.0, 0.0]
    assert len(in_parts(SmallTrees.of([]).log_odds, matrix_of(0, 0), 2)) == 0


def test_parts_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.model.small_trees.PART", 7)
    rows = matrix_of(100, 3)
    assert (in_parts(lambda part: part[:, 0].astype(np.float64), rows, 2) == rows[:, 0])[~np.isnan(rows[:, 0])].all()
