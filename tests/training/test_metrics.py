"""Metrics agree with scikit-learn, and their intervals with what happens when leads are drawn anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from training.measuring.metrics import (
    MEASURES,
    binomial_interval,
    bootstrap,
    calibration_line,
    ece,
    ece_floor,
    equal_bins,
    gains,
    interval,
    measures,
    slice_of,
)
from training.samples.log_odds import Array, logit

Rows = tuple[Array, Array, Array, NDArray[Any]]


def rows(seed: int, leads: int = 300, per_lead: int = 3, decimals: int = 9) -> Rows:
    """Labels, true probabilities, weights and leads: moments of a lead share their luck."""
    rng = np.random.default_rng(seed)
    lead = np.repeat(np.arange(leads), per_lead)
    p = expit(rng.normal(-1, 1.2, leads)[lead] + rng.normal(0, 0.3, len(lead))).round(decimals)
    y = (rng.random(leads)[lead] < p).astype(np.float64)
    return y, p, rng.uniform(0.2, 2.0, len(lead)), lead


@pytest.mark.parametrize("decimals", [9, 1])
def test_values_agree_with_scikit_learn(decimals: int) -> None:
    y, p, weight, _ = rows(1, decimals=decimals)
    p = np.clip(p, 0.01, 0.99)
    metrics = measures(y, p, weight)
    line = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(logit(p)[:, np.newaxis], y, weight)
    expected = {
        "log_loss": log_loss(y, p, sample_weight=weight),
        "brier": brier_score_loss(y, p, sample_weight=weight),
        "auc": roc_auc_score(y, p, sample_weight=weight),
        "average_precision": average_precision_score(y, p, sample_weight=weight),
        "slope": line.coef_[0, 0],
        "intercept": line.intercept_[0],
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-5 if name in ("slope", "intercept") else 1e-12), name


@given(seed=st.integers(0, 10**6), n=st.integers(10, 80))
def test_lift_is_the_rate_of_the_best_tenth_over_that_of_all(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    n -= n % 10
    y, p = (rng.random(n) < 0.4).astype(np.float64), rng.permutation(n) / n
    y[0] = 1.0
    best = y[np.argsort(-p)[: n // 10]].mean()
    assert measures(y, p, np.ones(n))["top_decile_lift"] == pytest.approx(best / y.mean())


def test_weights_count_like_repeated_rows() -> None:
    y, p, _, _ = rows(2, decimals=2)
    times = np.random.default_rng(2).integers(0, 4, len(y))
    repeated = measures(np.repeat(y, times), np.repeat(p, times), np.ones(times.sum()))
    assert measures(y, p, times.astype(np.float64)) == pytest.approx(repeated, rel=1e-6)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_has_no_auc_and_no_slope_but_a_log_loss(label: float) -> None:
    metrics = measures(np.full(20, label), np.linspace(0.1, 0.9, 20), np.ones(20))
    assert np.isnan([metrics["auc"], metrics["slope"], metrics["intercept"]]).all()
    assert np.isfinite([metrics["log_loss"], metrics["brier"]]).all()
    assert np.isnan(metrics["average_precision"]) == (label == 0)


def test_a_constant_score_ranks_like_chance() -> None:
    y, _, weight, _ = rows(3)
    metrics = measures(y, np.full(len(y), 0.2), weight)
    assert (metrics["auc"], metrics["top_decile_lift"]) == pytest.approx((0.5, 1.0))
    assert metrics["average_precision"] == pytest.approx(np.average(y, weights=weight))
    assert np.isnan(metrics["slope"])


def test_classes_parted_by_a_cut_have_no_finite_slope() -> None:
    assert np.isnan(calibration_line(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4]), np.ones(4))).all()


def test_gains_hold_the_area_that_auc_names() -> None:
    y, p, weight, _ = rows(4, decimals=1)
    curve = gains(y, p, weight)
    won, lost = np.append(0, curve.won), np.append(0, curve.reached - curve.won)
    assert np.trapezoid(won, lost) / won[-1] / lost[-1] == pytest.approx(measures(y, p, weight)["auc"])
    assert (np.diff(curve.score) < 0).all()


def test_a_resample_is_what_repeating_its_leads_gives() -> None:
    y, p, weight, lead = rows(5, leads=60, decimals=2)
    times = np.random.default_rng(0).poisson(1.0, (20, 60)).astype(np.float64)
    drawn = bootstrap([slice_of(y, p, weight, lead)], resamples=20, seed=0)[0]
    for draw, again in zip(drawn, times, strict=True):
        exact = measures(y, p, weight * again[lead])
        np.testing.assert_allclose(draw[:5], [exact[name] for name in MEASURES[:5]], rtol=1e-9)


def test_one_step_towards_the_line_of_a_resample_gives_the_interval_of_the_exact_line() -> None:
    y, p, weight, lead = rows(5, leads=400)
    times = np.random.default_rng(0).poisson(1.0, (300, 400)).astype(np.float64)
    exact = np.array([calibration_line(y, p, weight * again[lead]) for again in times])
    drawn = bootstrap([slice_of(y, p, weight, lead)], resamples=300, seed=0)[0, :, 5:]
    np.testing.assert_allclose(interval(drawn), interval(exact), atol=0.06)


def test_the_order_of_rows_changes_nothing() -> None:
    y, p, weight, lead = rows(6, decimals=2)
    mixed = np.random.default_rng(6).permutation(len(y))
    one = bootstrap([slice_of(y, p, weight, lead)], resamples=50)
    other = bootstrap([slice_of(y[mixed], p[mixed], weight[mixed], lead[mixed])], resamples=50)
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_same_seed_gives_the_same_bytes() -> None:
    prepared = slice_of(*rows(7))
    assert bootstrap([prepared], 30, seed=1).tobytes() == bootstrap([prepared], 30, seed=1).tobytes()
    assert bootstrap([prepared], 30, seed=1).tobytes() != bootstrap([prepared], 30, seed=2).tobytes()


def test_copies_of_a_lead_add_no_certainty() -> None:
    y, p, weight, lead = rows(8, leads=400, per_lead=1)
    copied: Rows = (np.repeat(y, 9), np.repeat(p, 9), np.repeat(weight, 9), np.repeat(lead, 9))
    width = [np.diff(interval(bootstrap([slice_of(*sample)])[0]), axis=0)[0] for sample in (rows(8, 400, 1), copied)]
    np.testing.assert_allclose(width[0], width[1], rtol=1e-6)
    planted = slice_of(*copied[:3], np.arange(len(copied[0])))
    narrow = np.diff(interval(bootstrap([planted])[0]), axis=0)[0]
    assert (narrow < width[0] / 2).all(), "rows taken for leads must look three times as sure, or this proves nothing"


def test_intervals_hold_the_true_log_loss() -> None:
    population = rows(100, leads=100_000)
    truth = measures(*population[:3])["log_loss"]

    def holds(sample: Rows, seed: int) -> bool:
        low, high = interval(bootstrap([slice_of(*sample)], 300, seed)[0, :, 0])
        return bool(low <= truth <= high)

    samples = [rows(seed, leads=250) for seed in range(150)]
    assert np.mean([holds(sample, seed) for seed, sample in enumerate(samples)]) >= 0.9
    by_row = [holds((*sample[:3], np.arange(len(sample[0]))), seed) for seed, sample in enumerate(samples)]
    assert np.mean(by_row) < 0.88, "rows taken for leads must miss it, or this test proves nothing"


def test_a_paired_difference_is_surer_than_two_single_values() -> None:
    y, p, weight, lead = rows(9)
    worse = expit(1.3 * logit(p) + 0.1)
    draws = bootstrap([slice_of(y, scores, weight, lead) for scores in (p, worse)])[:, :, 0]
    paired = np.diff(interval(draws[1] - draws[0]))[0]
    assert paired < 0.5 * np.diff(interval(draws[1]))[0]


def test_what_could_be_said_in_less_than_half_of_the_resamples_has_no_interval() -> None:
    draws = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan], [3.0, 1.0]])
    low, high = interval(draws)
    assert low[0] < high[0]
    assert np.isnan([low[1], high[1]]).all()


def test_ece_is_the_mean_gap_of_bins() -> None:
    y, p, weight, _ = rows(10)
    bins = equal_bins(p, weight, 5)
    gaps = [abs((weight * (p - y))[bins == number].sum()) for number in range(5)]
    assert ece(y, p, weight, 5) == pytest.approx(sum(gaps) / weight.sum())


def test_a_perfect_model_shows_its_floor_and_a_distorted_one_more() -> None:
    inside = []
    for seed in range(60):
        y, p, weight, lead = rows(seed)
        low, high = interval(ece_floor(p, weight, lead, draws=200))
        inside.append(low <= ece(y, p, weight) <= high)
    assert np.mean(inside) >= 0.88
    wrong = expit(2 * logit(p))
    assert ece(y, wrong, weight) > np.quantile(ece_floor(wrong, weight, lead), 0.95)


@given(values=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=50), bins=st.integers(1, 8))
def test_bins_keep_the_order_and_equal_scores_together(values: list[float], bins: int) -> None:
    p = np.sort(values)
    bin_of = equal_bins(p, np.ones(len(p)), bins)
    assert (np.diff(bin_of) >= 0).all()
    assert len({(score, at) for score, at in zip(p.tolist(), bin_of.tolist(), strict=True)}) == len(set(values))
    assert bin_of.max() < bins


def test_bins_of_distinct_scores_hold_equal_parts() -> None:
    assert np.bincount(equal_bins(np.arange(1000) / 1000, np.ones(1000), 10)).tolist() == [100] * 10


@given(count=st.integers(1, 200), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95]))
def test_the_binomial_interval_is_clopper_and_pearsons(count: int, share: float, confidence: float) -> None:
    won = round(share * count)
    exact = binomtest(won, count).proportion_ci(confidence)
    np.testing.assert_allclose(binomial_interval(won / count, count, confidence), [exact.low, exact.high], atol=1e-9)
