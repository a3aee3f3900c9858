"""The interval beside a probability is as wide as the leads behind it are few."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from training.evidence import BANDS, Evidence, evidence_from, evidence_of
from training.thresholds import Labels


def labels(n: int, seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-2.5, 1.2, n))
    return Labels(p, (rng.random(n) < p).astype(np.float64))


@given(n=st.integers(1, 400), seed=st.integers(0, 1000))
def test_bands_hold_every_lead_once(n: int, seed: int) -> None:
    known = labels(n, seed)
    evidence = evidence_of(known)
    assert sum(evidence.leads) == n
    assert sum(evidence.converted) == known.y.sum()
    assert list(evidence.starts) == sorted(set(evidence.starts))
    assert len(evidence.starts) <= BANDS
    assert min(evidence.leads) > 0


def test_rare_high_scores_get_bands_of_their_own() -> None:
    evidence = evidence_of(labels(20_000))
    assert len(evidence.starts) == BANDS
    assert evidence.starts[-1] > 0.3
    assert max(evidence.converted) < 3 * np.mean(evidence.converted)


def test_the_interval_is_that_of_clopper_and_pearson_at_the_bands_number_of_leads() -> None:
    evidence = Evidence((0.0, 0.3), (1_000, 100), (50, 40))
    for p, leads in ((0.05, 1_000), (0.4, 100)):
        hits = p * leads
        expected = [beta.ppf(0.025, hits, leads - hits + 1), beta.ppf(0.975, hits + 1, leads - hits)]
        np.testing.assert_allclose(evidence.interval(np.array([p]))[0], expected, rtol=1e-6)


@given(p=st.floats(0, 1))
def test_the_interval_holds_the_probability(p: float) -> None:
    ((low, high),) = evidence_of(labels(2_000)).interval(np.array([p])).tolist()
    assert 0 <= low <= max(p, 1e-300) <= high <= 1


def test_it_survives_json() -> None:
    evidence = evidence_of(labels(500))
    assert evidence_from(json.loads(json.dumps(evidence.to_dict()))) == evidence


def test_the_interval_covers_what_happens_to_leads_like_these() -> None:
    evidence, fresh = evidence_of(labels(20_000)), labels(200_000, seed=1)
    band = np.searchsorted(evidence.starts, fresh.p, side="right") - 1
    covered = 0
    for at in range(len(evidence.starts)):
        rows = band == at
        low, high = evidence.interval(np.array([fresh.p[rows].mean()]))[0]
        covered += low <= fresh.y[rows].mean() <= high
    assert covered >= 0.9 * len(evidence.starts)
