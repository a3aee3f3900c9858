"""The rolling intercept follows a drift from matured labels alone, never ahead of them, and waits for enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from data.contract import US_PER_DAY
from training.calibration.intercept import (
    FEWEST_CONVERTED,
    PERIOD,
    InterceptStep,
    MaturedRows,
    edges_of,
    offset,
    rolling_steps,
)
from training.samples.independent import independent
from training.samples.log_odds import Array, logit

WINDOW = 14 * US_PER_DAY


def moments(drift: float, n: int = 4_000, seed: int = 0, per_lead: int = 1) -> MaturedRows:
    """A year of moments whose true log-odds lie `drift` above what the model says."""
    rng = np.random.default_rng(seed)
    lead = np.arange(n) // per_lead
    z = rng.normal(-1.5, 1.0, n)
    y = (rng.random(n) < expit(z + drift)).astype(np.float64)
    as_of = np.sort(rng.integers(0, 365, n)) * US_PER_DAY
    return MaturedRows(expit(z), y, np.ones(n), lead, as_of, as_of + WINDOW)


def steps_of(rows: MaturedRows) -> list[InterceptStep]:
    return list(rolling_steps(rows, edges_of(rows, 400 * US_PER_DAY)))


@pytest.mark.parametrize("drift", [-1.0, 0.0, 1.0])
def test_the_shift_comes_to_the_drift_and_stays_there(drift: float) -> None:
    steps = steps_of(moments(drift))
    assert len(steps) >= 15
    assert abs(steps[0].shift) < abs(drift) * 0.75 + 0.2  # half of it at first
    assert np.mean([step.shift for step in steps[-8:]]) == pytest.approx(drift, abs=0.2)
    assert [step.shift for step in steps] == pytest.approx(np.cumsum([step.step for step in steps]).tolist())


@given(day=st.integers(30, 380), seed=st.integers(0, 20))
@settings(max_examples=25)
def test_labels_that_mature_later_change_no_step_before(day: int, seed: int) -> None:
    rows, at = moments(0.8, n=1_500, seed=seed), day * US_PER_DAY
    later = rows.known_at > at
    other = replace(rows, y=np.where(later, 1 - rows.y, rows.y))
    before, after = ([step for step in steps_of(of) if step.at <= at] for of in (rows, other))
    assert before == after


def test_a_planted_look_ahead_is_caught() -> None:
    """The same check fails for labels that count from the moment itself on."""
    rows, at = moments(0.8), 200 * US_PER_DAY
    peeking = replace(rows, known_at=rows.as_of)
    other = replace(peeking, y=np.where(rows.known_at > at, 1 - rows.y, rows.y))
    before, after = ([step for step in steps_of(of) if step.at <= at] for of in (peeking, other))
    assert before != after


def test_no_step_on_too_few_conversions() -> None:
    rows = moments(0.0)
    converted = np.flatnonzero(rows.y > 0)
    few = replace(rows, y=np.isin(np.arange(len(rows)), converted[: FEWEST_CONVERTED - 1]).astype(np.float64))
    enough = replace(rows, y=np.isin(np.arange(len(rows)), converted[:FEWEST_CONVERTED]).astype(np.float64))
    assert steps_of(few) == []
    assert len(steps_of(enough)) == 1


def test_moments_of_one_lead_count_as_one_conversion() -> None:
    rows = moments(0.0)
    assert steps_of(replace(rows, lead=np.zeros(len(rows), np.int64))) == []


def test_the_order_of_rows_does_not_matter() -> None:
    rows, order = moments(0.5, per_lead=3), np.random.default_rng(1).permutation(4_000)
    shuffled = MaturedRows(*(getattr(rows, name)[order] for name in rows.__dataclass_fields__))
    assert [step.shift for step in steps_of(rows)] == pytest.approx([step.shift for step in steps_of(shuffled)])


@given(drift=st.floats(-3, 3), n=st.integers(1, 200), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_an_offset_solves_its_equation(drift: float, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z: Array = rng.normal(0, 3, n)
    y = (rng.random(n) < expit(z + drift)).astype(np.float64)
    shift = offset(z, y, np.ones(n))
    assert (y - expit(z + shift)).sum() == pytest.approx(shift, abs=1e-8)  # a prior worth one lead


def test_an_offset_of_labels_of_one_kind_is_finite() -> None:
    z = logit(np.full(50, 0.999999))
    assert -40 < offset(z, np.zeros(50), np.ones(50)) < -5


def test_weights_are_worth_leads() -> None:
    assert independent(np.full(6, 7.0), np.array([1, 1, 1, 1, 1, 1])).sum() == pytest.approx(1)
    assert independent(np.full(6, 7.0), np.arange(6)).sum() == pytest.approx(6)


def test_steps_fall_on_the_same_instants_whenever_they_are_counted() -> None:
    rows = moments(0.3)
    early, late = (edges_of(rows, day * US_PER_DAY) for day in (200, 390))
    assert early.tolist() == late[: len(early)].tolist()
    assert (late % PERIOD == 0).all()
    assert len(edges_of(rows.of(np.zeros(len(rows), bool)), PERIOD)) == 0
