"""Baselines learn what they claim to learn, from tables as the kernel writes them, and never fall over odd columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from training.measuring.metrics import measures
from training.model.baselines import BASELINES, base_rate, lightgbm_defaults, logistic_regression, points_rule
from training.samples.log_odds import Array


def table(seed: int, n: int = 4_000) -> tuple[pd.DataFrame, Array]:
    """Moments whose conversion depends on recency, on the number of events and on the industry."""
    rng = np.random.default_rng(seed)
    recency, count = rng.exponential(20, n).astype(np.float32), rng.poisson(4, n).astype(np.float32)
    recency[rng.random(n) < 0.1] = np.nan
    industry = rng.choice(["IT", "retail", "health", "rare"], n, p=[0.4, 0.3, 0.299, 0.001])
    z = -2 + 0.3 * count - np.nan_to_num(recency, nan=40.0) / 20 + 1.5 * (industry == "IT")
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.float64)
    known = pd.Series(industry).where(rng.random(n) > 0.1)
    frame = pd.DataFrame(
        {
            "recency_any": recency,
            "count_any_ever": count,
            "profile_industry": known.astype("category"),
            "sum_any_ever": np.where(count > 0, rng.lognormal(3, 3, n), np.nan).astype(np.float32),
            "max_any_ever": np.full(n, np.nan, dtype=np.float32),
            "trend_any_7d_30d": np.ones(n, dtype=np.float32),
        }
    )
    return frame, y


def loss(name: str) -> float:
    """Log-loss of a baseline on new moments."""
    (train, y), (new, y_new) = table(1), table(2)
    p = BASELINES[name](train, y, np.ones(len(y)), np.arange(len(y))).predict(new)
    return measures(y_new, p, np.ones(len(y_new)))["log_loss"]


def test_each_step_up_knows_more() -> None:
    losses = [loss(name) for name in ("base rate", "points rule", "logistic regression")]
    assert losses[0] > losses[1] + 0.02 > losses[2] + 0.04
    assert loss("LightGBM defaults") < losses[0]


@pytest.mark.parametrize("name", BASELINES)
def test_columns_may_be_called_anything(name: str) -> None:
    """As event types and profile columns may; only those of the points rule are looked for by name."""
    train, y = table(1)
    odd = {"profile_industry": 'profile_Branche "neu" [x]: {y}, z', "sum_any_ever": "sum_a,b_ever 😀"}
    fitted, plain = (
        BASELINES[name](frame, y, np.ones(len(y)), np.arange(len(y))) for frame in (train.rename(columns=odd), train)
    )
    assert fitted.predict(train.rename(columns=odd)).tolist() == plain.predict(train).tolist()


def test_the_base_rate_counts_weights() -> None:
    fitted = base_rate(pd.DataFrame(index=range(3)), np.array([1, 0, 0]), np.array([2.0, 1, 1]), np.arange(3))
    assert fitted.predict(pd.DataFrame(index=range(2))).tolist() == [0.5, 0.5]


def test_the_points_rule_gives_fresh_and_busy_leads_more_points() -> None:
    train, y = table(3)
    fitted = points_rule(train, y, np.ones(len(y)), np.arange(len(y)))
    probe = pd.DataFrame({"recency_any": [1.0, 60.0, np.nan, 1.0], "count_any_ever": [9.0, 9.0, 9.0, 1.0]})
    fresh_busy, stale_busy, never_busy, fresh_idle = fitted.predict(probe).tolist()
    assert fresh_busy > max(stale_busy, never_busy, fresh_idle)


def test_a_cell_of_the_points_rule_is_its_smoothed_rate() -> None:
    frame = pd.DataFrame({"recency_any": [1.0] * 10 + [9.0] * 10, "count_any_ever": [3.0] * 20})
    y = np.array([1.0] * 10 + [0.0] * 10)
    p = points_rule(frame, y, np.ones(20), np.arange(20)).predict(frame)
    np.testing.assert_allclose(p, np.where(y == 1, (10 + 20 * 0.5) / 30, (20 * 0.5) / 30))


def test_without_its_columns_the_points_rule_is_the_base_rate() -> None:
    frame, y = pd.DataFrame({"age": np.arange(100.0)}), np.arange(100) % 4 == 0
    p = points_rule(frame, y.astype(np.float64), np.ones(100), np.arange(100)).predict(frame)
    np.testing.assert_allclose(p, 0.25)


@pytest.mark.parametrize("name", BASELINES)
def test_arrow_tables_and_frames_give_the_same(name: str) -> None:
    (train, y), (new, _) = table(4, 800), table(5, 50)
    arrow = pa.Table.from_pandas(train)
    assert pa.types.is_dictionary(arrow.schema.field("profile_industry").type)
    one = BASELINES[name](train, y, np.ones(800), np.arange(800)).predict(new)
    other = BASELINES[name](arrow, y, np.ones(800), np.arange(800)).predict(pa.Table.from_pandas(new))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", BASELINES)
def test_new_categories_and_columns_filled_for_the_first_time_are_no_trouble(name: str) -> None:
    (train, y), (new, _) = table(6, 800), table(7, 50)
    new["profile_industry"] = new["profile_industry"].cat.add_categories(["aerospace"]).fillna("aerospace")
    new["max_any_ever"] = np.float32(7)
    p = BASELINES[name](train, y, np.ones(800), np.arange(800)).predict(new)
    assert ((p > 0) & (p < 1)).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_is_no_trouble(name: str, label: float) -> None:
    frame, _ = table(8, 40)
    p = BASELINES[name](frame, np.full(40, label), np.ones(40), np.arange(40)).predict(frame)
    assert (np.abs(p - label) < 0.01).all()
    assert ((p > 0) & (p < 1)).all()


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_twice_gives_the_same_bytes(name: str) -> None:
    frame, y = table(9, 500)
    one, other = (BASELINES[name](frame, y, np.ones(500), np.arange(500)).predict(frame) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_an_outlier_does_not_move_the_logistic_regression() -> None:
    frame, y = table(10, 1_000)
    spoilt = frame.copy()
    spoilt.loc[spoilt["sum_any_ever"].idxmax(), "sum_any_ever"] = np.float32(1e30)
    one, other = (
        logistic_regression(features, y, np.ones(1_000), np.arange(1_000)).predict(frame)
        for features in (frame, spoilt)
    )
    np.testing.assert_allclose(one, other, atol=0.01)


def test_logistic_regression_is_held_back_where_features_are_noise() -> None:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({f"noise_{number}": rng.normal(size=400).astype(np.float32) for number in range(60)})
    y = (rng.random(400) < 0.2).astype(np.float64)
    weight, time = np.ones(400), np.arange(400)
    held_back = logistic_regression(frame, y, weight, time).predict(frame)
    free = lightgbm_defaults(frame, y, weight, time).predict(frame)
    assert np.ptp(held_back) < 0.5 * np.ptp(free)


def test_rows_out_of_order_are_put_in_order_by_their_time() -> None:
    frame, y = table(12, 600)
    mixed = np.random.default_rng(12).permutation(600)
    one = logistic_regression(frame, y, np.ones(600), np.arange(600)).predict(frame)
    other = logistic_regression(frame.iloc[mixed], y[mixed], np.ones(600), mixed).predict(frame)
    np.testing.assert_array_equal(one, other)
