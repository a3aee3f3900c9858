"""Log-odds lead there and back, losses stay finite, and the small logistic regression finds the best fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from training.samples.log_odds import LIMIT, clip, fit_logistic, logit, row_losses

ANY = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(p=ANY)
def test_there_and_back(p: list[float]) -> None:
    np.testing.assert_allclose(expit(logit(np.array(p))), clip(np.array(p)), rtol=1e-9)


@given(p=ANY)
def test_no_probability_is_impossible_or_certain(p: list[float]) -> None:
    clipped = clip(np.array(p))
    assert ((clipped >= LIMIT) & (clipped <= 1 - LIMIT)).all()


@given(z=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_losses_are_finite_and_never_negative(z: list[float]) -> None:
    for label in (0.0, 1.0):
        losses = row_losses(np.full(len(z), label), np.array(z))
        assert (np.isfinite(losses) & (losses >= 0)).all()


def test_the_mean_of_losses_is_log_loss() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, 500)
    y = (rng.random(500) < p).astype(np.float64)
    assert row_losses(y, logit(p)).mean() == pytest.approx(log_loss(y, p), rel=1e-9)


def test_coefficients_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.normal(size=(4_000, 2)), np.ones(4_000)])
    y = (rng.random(4_000) < expit(x @ [1.0, -0.5, -1.0])).astype(np.float64)
    weight = rng.uniform(0.5, 2, 4_000)
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1_000).fit(x, y, weight)
    ours = fit_logistic(x, y, weight, np.zeros(3), np.full(3, -np.inf))
    np.testing.assert_allclose(ours, peer.coef_[0], atol=1e-4)


def test_limits_hold_and_a_prior_pulls_towards_the_start() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 1))
    y = (rng.random(300) < expit(-2 * x[:, 0])).astype(np.float64)
    bounded = fit_logistic(x, y, np.ones(300), np.ones(1), np.full(1, 0.01))
    free, pulled = (fit_logistic(x, y, np.ones(300), np.ones(1), np.full(1, -np.inf), prior) for prior in (0.0, 1e6))
    assert bounded[0] == pytest.approx(0.01)
    assert free[0] < -1
    assert pulled[0] == pytest.approx(1, abs=0.01)
