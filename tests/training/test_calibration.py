"""A calibrator keeps the ranking, never says 0 or 1, and is used only when leads it did not see say that it helps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from betacal import BetaCalibration
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from data.contract import DataError
from training.artifact.standalone import calibrated
from training.calibration.calibrator import (
    CANDIDATES,
    IDENTITY,
    MIN_SLOPE,
    MOST_ROWS,
    Calibrator,
    Mapper,
    calibrator_from,
    choose_calibrator,
    fit_beta,
    fit_sigmoid,
    fit_temperature,
    forward_steps,
    forward_trial,
    gathered,
)
from training.measuring.metrics import measures
from training.samples.log_odds import LIMIT, Array, fit_logistic, logit, row_losses

SLOPES = st.floats(MIN_SLOPE, 5.0)
ANY_P = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30)


def funnel(seed: int, n: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """True probabilities and labels of leads, one row each, in order of time."""
    rng = np.random.default_rng(seed)
    truth = expit(rng.normal(-2.0, 1.2, n))
    return truth, (rng.random(n) < truth).astype(np.float64), np.arange(n)


def isotonic(p: Array, y: Array, weight: Array) -> Mapper:
    """A calibrator that follows the noise of little data."""
    fitted = IsotonicRegression(out_of_bounds="clip").fit(p, y, sample_weight=weight)
    predict: Mapper = fitted.predict
    return predict


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
@pytest.mark.parametrize("name", CANDIDATES)
def test_no_fit_turns_the_ranking_around_or_loses_to_the_identity_on_its_rows(
    name: str, seed: int, n: int, sign: float
) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 2, n)
    y, weight = (rng.random(n) < expit(sign * z)).astype(np.float64), rng.uniform(0.1, 3, n)
    fitted = CANDIDATES[name](expit(z), y, weight)
    assert min(fitted.a, fitted.b) >= MIN_SLOPE
    assert np.isfinite([fitted.a, fitted.b, fitted.c]).all()
    after = measures(y, fitted(expit(z)), weight)["log_loss"]
    assert after <= measures(y, expit(z), weight)["log_loss"] + 1e-5


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_gives_a_finite_calibrator(label: float) -> None:
    p = np.linspace(0.1, 0.9, 40)
    for fit in CANDIDATES.values():
        fitted = fit(p, np.full(40, label), np.ones(40))
        assert np.isfinite([fitted.a, fitted.b, fitted.c]).all()


def test_beta_agrees_with_betacal() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.01, 0.99, 20_000)
    y = (rng.random(20_000) < Calibrator("beta", 1.4, 0.7, 0.3)(p)).astype(np.float64)
    peer = BetaCalibration().fit(p, y)
    ours = fit_beta(p, y, np.ones(len(p)))
    assert min(peer.calibrator_.map_[:2]) > 0
    np.testing.assert_allclose(ours(p), peer.predict(p), atol=5e-4)
    np.testing.assert_allclose([ours.a, ours.b, ours.c], [1.4, 0.7, 0.3], atol=0.1)


def test_sigmoid_agrees_with_logistic_regression_on_the_logit() -> None:
    truth, y, _ = funnel(4, 20_000)
    p, weight = expit(2 * logit(truth) + 1), np.random.default_rng(4).uniform(0.5, 2, 20_000)
    peer = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, np.newaxis], y, weight)
    ours = fit_sigmoid(p, y, weight)
    np.testing.assert_allclose([ours.a, ours.c], [peer.coef_[0, 0], peer.intercept_[0]], atol=1e-3)
    assert ours.a == ours.b


def test_without_a_prior_the_fit_is_logistic_regression() -> None:
    rng = np.random.default_rng(5)
    x, weight = rng.normal(size=(500, 2)), rng.uniform(0.2, 2, 500)
    y = (rng.random(500) < expit(x @ [1.0, -0.5])).astype(np.float64)
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit(x, y, weight)
    ours = fit_logistic(x, y, weight, np.zeros(2), np.full(2, -np.inf))
    np.testing.assert_allclose(ours, peer.coef_[0], atol=1e-5)


def test_temperature_is_one_slope_and_no_shift() -> None:
    truth, y, _ = funnel(6, 20_000)
    fitted = fit_temperature(expit(2 * logit(truth)), y, np.ones(len(y)))
    assert (fitted.a, fitted.c) == (fitted.b, 0.0)
    assert fitted.a == pytest.approx(0.5, abs=0.03)


def test_the_scale_of_weights_does_not_matter() -> None:
    truth, y, _ = funnel(7, 200)
    one, other = (fit_beta(truth, y, np.full(200, weight)) for weight in (1.0, 1e-4))
    np.testing.assert_allclose(one(truth), other(truth), rtol=1e-4)


def test_a_distorted_prediction_is_repaired() -> None:
    truth, y, time = funnel(8, 6_000)
    distorted = expit(2 * logit(truth) + 1)
    choice = choose_calibrator(distorted, y, np.ones(len(y)), time, time)
    assert choice.calibrator.name in ("sigmoid", "beta")
    repaired = choice.calibrator(distorted)
    assert row_losses(y, logit(repaired)).mean() < row_losses(y, logit(truth)).mean() + 0.001
    assert row_losses(y, logit(distorted)).mean() > row_losses(y, logit(truth)).mean() + 0.03


def test_a_sound_prediction_is_left_alone() -> None:
    chosen = []
    for seed in range(30):
        truth, y, time = funnel(seed, 2_000)
        chosen.append(choose_calibrator(truth, y, np.ones(len(y)), time, time).calibrator.name)
    assert chosen.count("identity") >= 25


def test_the_gate_refuses_isotonic_regression_on_sound_predictions() -> None:
    truth, y, time = funnel(9, 1_500)
    weight = np.ones(len(y))
    fitted = isotonic(truth, y, weight)
    in_sample = row_losses(y, logit(truth)) - row_losses(y, logit(fitted(truth)))
    assert in_sample.mean() > 0.002, "judged on its own rows it looks like a gain"
    verdict = forward_trial("isotonic", isotonic, truth, y, weight, time, time)
    assert verdict.gain < 0
    assert not verdict.accepted


def test_a_calibrator_that_remembers_leads_gains_nothing() -> None:
    rng = np.random.default_rng(10)
    p = np.tile(rng.uniform(0.1, 0.5, 400), 2)
    y = np.tile((rng.random(400) < p[:400]).astype(np.float64), 2)
    lead, time = np.tile(np.arange(400), 2), np.arange(800)

    def remember(seen: Array, labels: Array, weight: Array) -> Mapper:
        known = dict(zip(seen.tolist(), labels.tolist(), strict=True))
        return lambda new: np.array([known.get(p, p) for p in new.tolist()])

    honest = forward_trial("memory", remember, p, y, np.ones(800), time, lead)
    assert (honest.gain, honest.accepted, honest.leads > 100) == (0.0, False, True)
    planted = forward_trial("memory", remember, p, y, np.ones(800), time, np.arange(800))
    assert planted.accepted, "where leads are ignored, memory must look like skill, or this test proves nothing"


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
        retained.append(fit_sigmoid(p_all[past], y_all[past], np.ones(past.sum()))(p_all).mean())
        later = np.isin(lead, lead[time >= time[judged].min()])
        rest = past & ~later
        dropped.append(fit_sigmoid(p_all[rest], y_all[rest], np.ones(rest.sum()))(p_all).mean())
    np.testing.assert_allclose(retained, p_all.mean(), rtol=0.07)
    assert np.min(dropped) > 1.2 * p_all.mean(), "the careless way must show its bias, or this test proves nothing"


def test_copies_of_a_lead_make_no_gain_surer() -> None:
    truth, y, time = funnel(13, 1_000)
    p = expit(1.2 * logit(truth))
    alone = forward_trial("sigmoid", fit_sigmoid, p, y, np.ones(1_000), time, time)
    p9, y9, time9 = np.repeat(p, 9), np.repeat(y, 9), np.repeat(time, 9)
    copied = forward_trial("sigmoid", fit_sigmoid, p9, y9, np.ones(9_000), time9, time9)
    assert copied.leads == alone.leads
    assert copied.se == pytest.approx(alone.se, rel=0.05)
    planted = forward_trial("sigmoid", fit_sigmoid, p9, y9, np.ones(9_000), time9, np.arange(9_000))
    assert planted.se < alone.se / 2, "rows taken for leads must look three times as sure, or this test proves nothing"


def test_nothing_to_judge_on_leaves_predictions_alone() -> None:
    p, y = np.full(5, 0.3), np.array([0.0, 1, 0, 0, 1])
    choice = choose_calibrator(p, y, np.ones(5), np.zeros(5), np.arange(5))
    assert choice.calibrator == IDENTITY
    assert all(verdict.se == float("inf") for verdict in choice.verdicts)


def test_the_choice_says_why() -> None:
    truth, y, time = funnel(12, 3_000)
    choice = choose_calibrator(expit(2 * logit(truth) + 1), y, np.ones(len(y)), time, time)
    assert [verdict.name for verdict in choice.verdicts] == list(CANDIDATES)
    assert all(verdict.accepted == (verdict.gain > verdict.se) for verdict in choice.verdicts)
    assert calibrator_from(choice.calibrator.to_dict()).a > 0


@pytest.mark.parametrize(
    "values",
    [
        {"name": "beta", "a": 1.0, "b": 1.0},
        {"name": "beta", "a": -1.0, "b": 1.0, "c": 0.0},
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
    assert few[2].sum() == pytest.approx(weight.sum() ** 2 / (weight @ weight))
    rows = np.column_stack([logit(p), np.ones(len(p))])
    whole = fit_logistic(
        rows, y, few[2].sum() / weight.sum() * weight, np.array([1.0, 0.0]), np.array([0.01, -np.inf]), 1.0
    )
    sigmoid = fit_sigmoid(p, y, weight)
    np.testing.assert_allclose([sigmoid.a, sigmoid.c], whole, atol=0.001)
