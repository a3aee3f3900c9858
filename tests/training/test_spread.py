"""What is said of further weeks holds of them, also where weeks follow a trend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import theilslopes

from training.thresholds import spread as spreads
from training.thresholds.spread import Spread, highs, trend, week_to_come


def inside(rates: np.ndarray, seed: int, draws: int = 400) -> float:
    """In how many of many draws the 27th week lies where the 26 before said, for weeks of these rates."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(draws):
        weekly = rng.poisson(rates)
        said = week_to_come(weekly[:26])
        held += bool(said.low <= weekly[26] <= said.high)
    return held / draws


def test_a_range_holds_of_further_weeks() -> None:
    assert inside(np.full(27, 13.0), 3) >= 0.9


def test_a_range_holds_where_weeks_grow_or_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault says what past weeks were, as if a company did not grow."""
    rates = np.linspace(100, 180, 27)
    assert inside(rates, 4) >= 0.9
    assert inside(rates[::-1], 5) >= 0.9
    monkeypatch.setattr(spreads, "levelled", lambda weekly: weekly.astype(np.float64))
    assert inside(rates, 4) < 0.75
    assert inside(rates[::-1], 5) < 0.75


def test_holidays_move_the_trend_little() -> None:
    """The planted fault is the line of least squares."""
    usual = np.random.default_rng(6).poisson(100, 26)
    weekly = np.append(usual[:-2], [15, 15])
    assert abs(trend(weekly) - trend(usual)) < 0.75
    assert np.polyfit(range(26), usual, 1)[0] - np.polyfit(range(26), weekly, 1)[0] > 1.2


@given(arrays(np.int64, st.tuples(st.integers(9, 26), st.integers(1, 4)), elements=st.integers(0, 60)))
def test_a_trend_is_that_of_theil_and_sen(weekly: np.ndarray) -> None:
    for column, slope, high in zip(weekly.T, trend(weekly), highs(weekly), strict=True):
        assert slope == pytest.approx(theilslopes(column)[0])
        assert week_to_come(column).high == high
        if slope == 0:
            assert (week_to_come(column).low, week_to_come(column).high) == (column.min(), column.max())


def test_a_spread_goes_with_its_mean() -> None:
    assert Spread(2, 4, 8).around(6) == Spread(3, 6, 12)
    assert Spread(0, 0, 0).around(0) == Spread(0, 0, 0)
