"""The interval beside a probability tells what became of leads that scored alike; it is wide where they are few."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from data.typed_json import from_json, to_json
from training.measuring.evidence import CONVERTED, MOST_BANDS, PSEUDO_LEADS, Evidence, evidence_of
from training.samples.log_odds import Array


def moments(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities that are true, and outcomes."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-2.5, 1.2, n))
    return p, (rng.random(n) < p).astype(np.float64)


def evidence(n: int, seed: int = 0) -> Evidence:
    """Evidence of n leads with one moment each."""
    return evidence_of(*moments(n, seed), np.ones(n), np.arange(n))


@given(n=st.integers(1, 400), seed=st.integers(0, 1000))
def test_bands_hold_every_lead_once(n: int, seed: int) -> None:
    bands = evidence(n, seed)
    assert sum(bands.leads) == n
    assert sum(bands.converted) == moments(n, seed)[1].sum()
    assert list(bands.starts) == sorted(set(bands.starts))
    assert len(bands.starts) <= MOST_BANDS
    assert min(bands.leads) > 0


def test_many_moments_of_a_lead_are_worth_one_lead() -> None:
    p, y = moments(2_000)
    rows = np.repeat(np.arange(2_000), 5)
    once, often = evidence(2_000), evidence_of(p[rows], y[rows], np.ones(len(rows)), rows)
    assert sum(often.leads) == sum(once.leads) == 2_000


def test_rare_high_scores_get_bands_of_their_own() -> None:
    bands = evidence(20_000)
    assert len(bands.starts) == MOST_BANDS
    assert bands.starts[-1] > 0.3
    assert CONVERTED < max(bands.converted) < 3 * np.mean(bands.converted)


def test_the_interval_is_the_posterior_of_what_the_band_did() -> None:
    bands = Evidence((0.0, 0.3), (1_000, 100), (50, 40))
    for p, leads, converted in ((0.05, 1_000, 50), (0.7, 100, 40)):
        won, lost = converted + PSEUDO_LEADS * p, leads - converted + PSEUDO_LEADS * (1 - p)
        expected = beta.ppf([0.025, 0.975], won, lost)
        np.testing.assert_allclose(bands.interval(np.array([p]))[0], expected, rtol=1e-6)


def test_a_model_that_oversells_is_told_by_what_came() -> None:
    """An interval around the model's own probability would hold it, and tell nothing of the leads that fell short."""
    p, y = np.full(2_000, 0.7), (np.arange(2_000) % 2).astype(np.float64)
    ((low, high),) = evidence_of(p, y, np.ones(2_000), np.arange(2_000)).interval(np.array([0.7]))
    assert low < 0.5 < high < 0.6


def test_where_leads_are_few_the_model_speaks() -> None:
    ((low, high),) = Evidence((0.0,), (0.5,), (0.0,)).interval(np.array([0.7]))
    assert low < 0.7 < high


@given(p=st.floats(0, 1))
def test_the_interval_is_within_none_and_all(p: float) -> None:
    ((low, high),) = evidence(2_000).interval(np.array([p])).tolist()
    assert 0 <= low < high <= 1


def test_it_survives_json() -> None:
    bands = evidence(500)
    assert from_json(Evidence, json.loads(json.dumps(to_json(bands))), "evidence") == bands


def test_the_interval_covers_what_happens_to_leads_like_these() -> None:
    bands, (p, y) = evidence(20_000), moments(200_000, seed=1)
    band = np.searchsorted(bands.starts, p, side="right") - 1
    covered = 0
    for at in range(len(bands.starts)):
        rows = band == at
        low, high = bands.interval(np.array([p[rows].mean()]))[0]
        covered += low <= y[rows].mean() <= high
    assert covered >= 0.9 * len(bands.starts)
