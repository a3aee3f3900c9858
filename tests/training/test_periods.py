"""Moments become rows of the periods that were observed, and thinning them keeps what they sum to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from training.model.periods import MOST_ROWS, STOPS, base_log_odds, ends_of, models_of, rows_of, thinned
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array

ENDS = (3, 7, 14, 30)
DAYS = st.one_of(st.sampled_from([0.0, 3.0, 7.0, 14.0, 30.0]), st.floats(0, 30))
MOMENTS = st.lists(st.tuples(st.one_of(st.just(float("nan")), DAYS), DAYS), min_size=1, max_size=8)


@given(st.integers(1, 3650))
def test_periods_follow_each_other_up_to_the_horizon(horizon: int) -> None:
    ends = ends_of(horizon)
    assert ends[-1] == horizon
    assert (np.diff((0, *ends)) > 0).all()


def test_periods_are_weeks_at_first_and_years_at_last() -> None:
    """A change of them changes every hazard model: it shows here, and belongs into the changelog."""
    assert ends_of(30) == (3, 7, 14, 21, 30)
    assert ends_of(3650) == (3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540, 730, 1095, 1825, 3650)
    assert STOPS == (7, 30, 90, 365, 1095)
    assert MOST_ROWS == 60_000


@given(st.integers(1, 3650), st.lists(st.integers(0, 60), min_size=17, max_size=17), st.integers(1, 100))
def test_every_model_has_conversions_to_learn_from_or_is_the_only_one(
    horizon: int, drawn: list[int], fewest: int
) -> None:
    ends = ends_of(horizon)
    converted = drawn[: len(ends)]
    models = models_of(ends, converted, fewest)
    assert (models[0], len(models)) == (0, len(ends))
    begins = [ends[period] for period in range(len(ends) - 1) if models[period] != models[period + 1]]
    assert {*begins} <= {*STOPS}
    assert sorted(models) == list(models)
    assert len(begins) == models[-1] == 0 or np.bincount(models, converted).min() >= fewest


def test_the_first_week_and_the_rest_of_the_month_have_models_of_their_own() -> None:
    assert models_of(ends_of(30), [50, 50, 50, 50, 50]) == (0, 0, 1, 1, 1)
    assert models_of(ends_of(30), [25, 24, 50, 50, 50]) == (0, 0, 0, 0, 0)
    assert models_of(ends_of(365), [50] * 12) == (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3)


@given(MOMENTS)
@settings(max_examples=300)
def test_rows_are_those_of_a_plain_loop(moments: list[tuple[float, float]]) -> None:
    expected = []
    for i, (event, observed) in enumerate(moments):
        for period, (start, end) in enumerate(zip((0, *ENDS), ENDS, strict=False)):
            if end > observed or event < start:
                break
            expected.append((i, period, int(start <= event < end)))
    event, observed = np.array(moments).T
    rows = rows_of(event, observed, ENDS, np.ones(len(moments)))
    assert list(zip(rows.moment.tolist(), rows.period.tolist(), rows.label.tolist(), strict=True)) == expected


def lives(n: int = 4_000, seed: int = 0) -> tuple[Array, Array, NDArray[np.int64]]:
    """Days to conversion at a constant hazard, NaN where that is not seen, days observed, and leads."""
    rng = np.random.default_rng(seed)
    event, observed = rng.exponential(60, n), rng.uniform(0, 45, n).clip(max=30)
    return np.where(event < observed, event, np.nan), observed, np.arange(n) // 4


def test_base_rates_are_those_of_the_law_however_long_moments_were_watched() -> None:
    event, observed, _ = lives(40_000)
    rates = expit(base_log_odds(rows_of(event, observed, ENDS, np.ones(len(event))), len(ENDS)))
    np.testing.assert_allclose(rates, 1 - np.exp(-np.diff((0, *ENDS)) / 60), rtol=0.06)


def test_thinned_rows_keep_every_conversion_and_weigh_the_same() -> None:
    event, observed, lead = lives()
    rows = rows_of(event, observed, ENDS, np.ones(len(event)))
    thin = thinned(rows, lead, most=2_000)
    assert len(thin.label) < 0.6 * len(rows.label)
    assert thin.label.sum() == rows.label.sum()
    for period in range(len(ENDS)):
        whole, thinned_weight = (
            table.weight[(table.period == period) & (table.label == 0)].sum() for table in (rows, thin)
        )
        assert thinned_weight == pytest.approx(whole, rel=0.1)
    assert set(np.unique(thin.weight[thin.label == 0])) == {float((rows.label == 0).sum() // 2_000)}


def test_few_rows_are_left_as_they_are() -> None:
    event, observed, lead = lives(100)
    rows = rows_of(event, observed, ENDS, np.ones(len(event)))
    assert thinned(rows, lead) is rows


def test_what_is_thinned_out_depends_on_the_lead_alone() -> None:
    event, observed, lead = lives()
    rows = rows_of(event, observed, ENDS, np.ones(len(event)))
    whole = thinned(rows, lead, most=1_000)
    some = lead < 500
    part = thinned(rows_of(event[some], observed[some], ENDS, np.ones(some.sum())), lead[some], most=500)
    assert part.weight.max() == whole.weight.max(), "the same share must be kept for the comparison to mean anything"
    of_whole = [(m, p) for m, p in zip(whole.moment.tolist(), whole.period.tolist(), strict=True) if some[m]]
    assert of_whole == list(zip(part.moment.tolist(), part.period.tolist(), strict=True))


def test_which_rows_stay_goes_round_from_moment_to_moment_beginning_at_the_hash_of_the_lead() -> None:
    """Models that were made before must come out the same again."""
    event, observed, lead = lives(600)
    rows = rows_of(event, observed, ENDS, np.ones(len(event)))
    every = int((rows.label == 0).sum()) // 300
    assert every >= 3
    expected = []
    for moment, period, label in zip(rows.moment.tolist(), rows.period.tolist(), rows.label.tolist(), strict=True):
        nth = int((lead[:moment] == lead[moment]).sum())
        if label or (period + hash_of_lead(str(lead[moment])) + nth) % every == 0:
            expected.append((moment, period))
    thin = thinned(rows, lead, most=300)
    assert list(zip(thin.moment.tolist(), thin.period.tolist(), strict=True)) == expected
