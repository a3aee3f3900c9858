"""The interval beside a probability is as wide as the leads behind it are few."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from data.typed_json import from_json, to_json
from training.measuring.evidence import CONVERTED, MOST_BANDS, Evidence, evidence_of
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
    found = evidence(n, seed)
    assert sum(found.leads) == n
    assert sum(found.converted) == moments(n, seed)[1].sum()
    assert list(found.starts) == sorted(set(found.starts))
    assert len(found.starts) <= MOST_BANDS
    assert min(found.leads) > 0


def test_many_moments_of_a_lead_are_worth_one_lead() -> None:
    p, y = moments(2_000)
    rows = np.repeat(np.arange(2_000), 5)
    once, often = evidence(2_000), evidence_of(p[rows], y[rows], np.ones(len(rows)), rows)
    assert sum(often.leads) == sum(once.leads) == 2_000


def test_rare_high_scores_get_bands_of_their_own() -> None:
    found = evidence(20_000)
    assert len(found.starts) == MOST_BANDS
    assert found.starts[-1] > 0.3
    assert CONVERTED < max(found.converted) < 3 * np.mean(found.converted)


def test_the_interval_is_that_of_clopper_and_pearson_at_the_bands_number_of_leads() -> None:
    found = Evidence((0.0, 0.3), (1_000, 100), (50, 40))
    for p, leads in ((0.05, 1_000), (0.4, 100)):
        hits = p * leads
        expected = [beta.ppf(0.025, hits, leads - hits + 1), beta.ppf(0.975, hits + 1, leads - hits)]
        np.testing.assert_allclose(found.interval(np.array([p]))[0], expected, rtol=1e-6)


@given(p=st.floats(0, 1))
def test_the_interval_holds_the_probability(p: float) -> None:
    ((low, high),) = evidence(2_000).interval(np.array([p])).tolist()
    assert 0 <= low <= max(p, 1e-300) <= high <= 1


def test_it_survives_json() -> None:
    found = evidence(500)
    assert from_json(Evidence, json.loads(json.dumps(to_json(found))), "evidence") == found


def test_the_interval_covers_what_happens_to_leads_like_these() -> None:
    found, (p, y) = evidence(20_000), moments(200_000, seed=1)
    band = np.searchsorted(found.starts, p, side="right") - 1
    covered = 0
    for at in range(len(found.starts)):
        rows = band == at
        low, high = found.interval(np.array([p[rows].mean()]))[0]
        covered += low <= y[rows].mean() <= high
    assert covered >= 0.9 * len(found.starts)
