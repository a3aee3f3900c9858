"""A calibrator keeps the ranking, never says 0 or 1, mends what is wrong, and does next to nothing where nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from betacal import BetaCalibration
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from data.contract import DataError
from training.artifact.standalone import calibrated
from training.calibration.calibrator import (
    BELIEF,
    IDENTITY,
    MIN_SLOPE,
    MOST_ROWS,
    Calibrator,
    calibrator_from,
    calibrator_of,
    fit_beta,
    fit_sigmoid,
    gathered,
)
from training.calibration.intercept import forward_steps
from training.measuring.metrics import measures
from training.samples.log_odds import LIMIT, Array, fit_logistic, logit, row_losses

SLOPES = st.floats(MIN_SLOPE, 5.0)
ANY_P = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30)


def funnel(seed: int, n: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """True probabilities and labels of leads, one row each, in order of time."""
    rng = np.random.default_rng(seed)
    truth = expit(rng.normal(-2.0, 1.2, n))
    return truth, (rng.random(n) < truth).astype(np.float64), np.arange(n)


@given(p=ANY_P, a=SLOPES, b=SLOPES, c=st.floats(-8.0, 8.0))
def test_every_calibrator_keeps_the_order_and_stays_off_zero_and_one(
    p: list[float], a: float, b: float, c: float
) -> None:
    mapped = Calibrator("beta", a, b, c)(np.sort(p))
    assert (np.diff(mapped) >= 0).all()
    assert ((mapped >= LIMIT) & (mapped <= 1 - LIMIT)).all()


@given(a=SLOPES, b=SLOPES, c=st.floats(-8.0, 8.0))
def test_a_calibrator_survives_json(a: float, b: float, c: float) -> None:
    before = Calibrator("beta", a, b, c)
    assert calibrator_from(json.loads(json.dumps(before.to_dict()))) == before


@given(z=st.lists(st.floats(-13.0, 13.0), min_size=1), a=SLOPES, b=SLOPES, c=st.floats(-8.0, 8.0))
def test_the_artifact_applies_the_same_formula(z: list[float], a: float, b: float, c: float) -> None:
    fitted = Calibrator("beta", a, b, c)
    np.testing.assert_allclose(calibrated(np.array(z), fitted.to_dict()), fitted(expit(z)), rtol=1e-6)


def test_the_identity_changes_nothing() -> None:
    p = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(IDENTITY(p), p, rtol=1e-12)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 60), sign=st.sampled_from([-1.0, 1.0]))
def test_no_fit_turns_the_ranking_around_or_loses_to_the_identity_on_its_rows(seed: int, n: int, sign: float) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 2, n)
    y, weight = (rng.random(n) < expit(sign * z)).astype(np.float64), rng.uniform(0.1, 3, n)
    for fitted in (fit_beta(expit(z), y, weight, np.arange(n)), fit_sigmoid(expit(z), y, weight, np.arange(n))):
        assert min(fitted.a, fitted.b) >= MIN_SLOPE
        assert np.isfinite([fitted.a, fitted.b, fitted.c]).all()
        after = measures(y, fitted(expit(z)), weight)["log_loss"]
        assert after <= measures(y, expit(z), weight)["log_loss"] + 1e-5


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_gives_a_finite_calibrator(label: float) -> None:
    p = np.linspace(0.1, 0.9, 40)
    fitted = calibrator_of(p, np.full(40, label), np.ones(40), np.arange(40), np.arange(40))
    assert np.isfinite([fitted.a, fitted.b, fitted.c]).all()


def test_beta_agrees_with_betacal() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.01, 0.99, 20_000)
    y = (rng.random(20_000) < Calibrator("beta", 1.4, 0.7, 0.3)(p)).astype(np.float64)
    peer = BetaCalibration().fit(p, y)
    ours = fit_beta(p, y, np.ones(len(p)), np.arange(len(p)))
    assert min(peer.calibrator_.map_[:2]) > 0
    np.testing.assert_allclose(ours(p), peer.predict(p), atol=2e-3)
    np.testing.assert_allclose([ours.a, ours.b, ours.c], [1.4, 0.7, 0.3], atol=0.1)


def test_sigmoid_agrees_with_logistic_regression_on_the_logit() -> None:
    truth, y, _ = funnel(4, 200_000)
    p, weight = expit(2 * logit(truth) + 1), np.random.default_rng(4).uniform(0.5, 2, 200_000)
    peer = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, np.newaxis], y, weight)
    ours = fit_sigmoid(p, y, weight, np.arange(len(p)))
    np.testing.assert_allclose([ours.a, ours.c], [peer.coef_[0, 0], peer.intercept_[0]], atol=1e-3)
    assert ours.a == ours.b


def test_without_a_prior_the_fit_is_logistic_regression() -> None:
    rng = np.random.default_rng(5)
    x, weight = rng.normal(size=(500, 2)), rng.uniform(0.2, 2, 500)
    y = (rng.random(500) < expit(x @ [1.0, -0.5])).astype(np.float64)
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit(x, y, weight)
    ours = fit_logistic(x, y, weight, np.zeros(2), np.full(2, -np.inf))
    np.testing.assert_allclose(ours, peer.coef_[0], atol=1e-5)


def test_the_scale_of_weights_does_not_matter() -> None:
    truth, y, time = funnel(7, 200)
    one, other = (fit_beta(truth, y, np.full(200, weight), time) for weight in (1.0, 1e-4))
    np.testing.assert_allclose(one(truth), other(truth), rtol=1e-4)
    lines = [fit_sigmoid(truth, y, np.full(200, weight), time) for weight in (1.0, 1e-4)]
    np.testing.assert_allclose(lines[0](truth), lines[1](truth), rtol=1e-4)


def test_a_distorted_prediction_is_repaired() -> None:
    truth, y, time = funnel(8, 6_000)
    distorted = expit(2 * logit(truth) + 1)
    repaired = calibrator_of(distorted, y, np.ones(len(y)), time, time)(distorted)
    assert row_losses(y, logit(repaired)).mean() < row_losses(y, logit(truth)).mean() + 0.002
    assert row_losses(y, logit(distorted)).mean() > row_losses(y, logit(truth)).mean() + 0.03


def excess(truth: Array, fitted: Calibrator) -> float:
    """Log-loss that a calibrator is expected to cost where probabilities are true already."""
    p = fitted(truth)
    return float(np.mean(truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))))


@pytest.mark.parametrize("n", [100, 400, 2_000])
def test_a_sound_prediction_is_next_to_left_alone(n: int) -> None:
    """It costs a fraction of what a calibrator does that nothing holds back."""
    costs = list[tuple[float, float]]()
    for seed in range(40):
        truth, y, time = funnel(seed, n)
        half, told = truth[n // 2 :], y[n // 2 :]
        columns = np.column_stack([np.log(half), -np.log1p(-half), np.ones(len(half))])
        lower = np.array([MIN_SLOPE, MIN_SLOPE, -np.inf])
        free = fit_logistic(columns, told, np.ones(len(half)), np.array([1.0, 1, 0]), lower, 1e-6)
        held = calibrator_of(truth, y, np.ones(n), time, time)
        costs.append((excess(truth, held), excess(truth, Calibrator("free", *free.tolist()))))
    held_back, not_held_back = np.mean(costs, axis=0)
    assert held_back < min(0.8 * not_held_back, 3 / n)


def test_it_is_held_back_as_far_as_is_said() -> None:
    """Beside a search that knows nothing of how the loss bends."""
    truth, y, lead = funnel(16, 60)
    p = expit(2 * logit(truth) + 1)

    def loss(theta: Array) -> float:
        odds = theta[0] * np.log(p) - theta[1] * np.log1p(-p) + theta[2]
        held = ((theta - [1.0, 1.0, 0.0]) / [0.3, 0.3, 0.5]) ** 2
        return float(np.sum(np.logaddexp(0, odds) - y * odds) + held.sum() / 2)

    found = minimize(loss, np.array([1.0, 1.0, 0.0]), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    ours = fit_beta(p, y, np.ones(60), lead)
    np.testing.assert_allclose([ours.a, ours.b, ours.c], found.x, atol=1e-3)


@pytest.mark.parametrize(("fit", "leads"), [(fit_beta, 300), (fit_sigmoid, 30)])
def test_copies_of_a_lead_say_no_more_than_the_lead(fit: Callable[..., Calibrator], leads: int) -> None:
    truth, y, time = funnel(13, leads)
    p = expit(1.5 * logit(truth))
    alone = fit(p, y, np.ones(leads), time)
    p9, y9, time9 = np.repeat(p, 9), np.repeat(y, 9), np.repeat(time, 9)
    copied = fit(p9, y9, np.ones(9 * leads), time9)
    np.testing.assert_allclose(copied(p), alone(p), rtol=1e-4)
    planted = fit(p9, y9, np.ones(9 * leads), np.arange(9 * leads))
    assert abs(planted.b - 1) > 2 * abs(alone.b - 1), "rows taken for leads must move it further"


def test_what_does_not_count_has_no_say() -> None:
    truth, y, time = funnel(15, 2_000)
    p, weight = expit(2 * logit(truth)), np.ones(2_000)
    among_others = calibrator_of(
        np.append(p, p),
        np.append(y, 1 - y),
        np.append(weight, 0 * weight),
        np.append(time, time + 5_000),
        np.append(time, time),
    )
    assert among_others == calibrator_of(p, y, weight, time, time)
    assert calibrator_of(p, y, 0 * weight, time, time) == IDENTITY


def test_what_was_long_ago_has_no_say() -> None:
    truth, y, time = funnel(14, 8_000)
    p = np.where(time < 4_000, expit(2 * logit(truth) + 1), truth)
    fitted = calibrator_of(p, y, np.ones(8_000), time, time)
    assert excess(truth, fitted) < 0.001
    assert excess(truth, fit_beta(p, y, np.ones(8_000), time)) > 0.003, "all of them must go wrong"


@given(
    times=st.lists(st.integers(0, 20), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    steps=st.integers(1, 5),
)
def test_the_past_lies_before_what_is_judged_and_shares_no_lead_with_it(
    times: list[int], seed: int, steps: int
) -> None:
    time = np.array(times)
    lead = np.random.default_rng(seed).integers(0, 10, len(times))
    judged_leads: list[int] = []
    for past, judged in forward_steps(time, lead, steps):
        assert time[past].max() < time[judged].min()
        assert not set(lead[past]) & set(lead[judged])
        judged_leads += np.unique(lead[judged]).tolist()
    assert len(judged_leads) == len(set(judged_leads)), "a lead is judged at most once"


def test_leads_that_are_still_open_do_not_bias_the_fit() -> None:
    """Moments end with the conversion, so dropping the past of leads still open would drop negatives."""
    rng = np.random.default_rng(11)
    start, chance = rng.integers(0, 40, 4_000), expit(rng.normal(-2, 0.7, 4_000))
    rows = []
    for lead, (first, p) in enumerate(zip(start.tolist(), chance.tolist(), strict=True)):
        for week in range(first, 40):
            won = float(rng.random() < p)
            rows.append((week, lead, p, won))
            if won:
                break
    time, lead_ids, p_all, y_all = np.array(rows).T
    lead = lead_ids.astype(np.int64)
    retained, dropped = [], []
    for past, judged in forward_steps(time, lead, 4):
        retained.append(fit_sigmoid(p_all[past], y_all[past], np.ones(past.sum()), lead[past])(p_all).mean())
        later = np.isin(lead, lead[time >= time[judged].min()])
        rest = past & ~later
        dropped.append(fit_sigmoid(p_all[rest], y_all[rest], np.ones(rest.sum()), lead[rest])(p_all).mean())
    np.testing.assert_allclose(retained, p_all.mean(), rtol=0.07)
    assert np.min(dropped) > 1.2 * p_all.mean(), "the careless way must show its bias, or this test proves nothing"


@pytest.mark.parametrize(
    "values",
    [
        {"name": "beta", "a": 1.0, "b": 1.0},
        {"name": "beta", "a": -1.0, "b": 1.0, "c": 0.0},
        {"name": "beta", "a": 1.0, "b": -1.0, "c": 0.0},
        {"name": "beta", "a": 0.0, "b": 1.0, "c": 0.0},
        {"name": "beta", "a": 1.0, "b": 0.0, "c": 0.0},
        {"name": "beta", "a": 1.0, "b": float("nan"), "c": 0.0},
        {"name": "beta", "a": "much", "b": 1.0, "c": 0.0},
    ],
)
def test_damaged_numbers_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(DataError, match="train the model again"):
        calibrator_from(values)


def test_many_rows_are_gathered_without_moving_the_calibrator() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 10, 60_000)
    y = (rng.random(len(p)) < p**0.8 * 0.9).astype(np.float64)
    weight = rng.integers(1, 4, len(p)).astype(np.float64)
    few = gathered(p, y, weight)
    assert len(few[0]) <= MOST_ROWS
    assert few[2].sum() == pytest.approx(weight.sum())
    rows = np.column_stack([logit(p), np.ones(len(p))])
    leads = weight.sum() / (weight @ weight) * weight
    whole = fit_logistic(rows, y, leads, np.array([1.0, 0.0]), np.array([0.01, -np.inf]), BELIEF[1:] ** -2)
    sigmoid = fit_sigmoid(p, y, weight, np.arange(len(p)))
    np.testing.assert_allclose([sigmoid.a, sigmoid.c], whole, atol=0.001)
