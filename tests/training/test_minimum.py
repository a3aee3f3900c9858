"""The least data is derived from criteria, counts leads, and says how long it takes until there are enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from data.contract import DataError
from tests.training.test_train import funnel
from training.pipeline import sized
from training.recipe.plan import TrainingPlan
from training.samples.sample import Sample
from training.thresholds.minimum_labels import criteria, need_of, sentence


def thin(leads: int, rate: float) -> Sample:
    """A funnel of which so large a share of the leads, spread over the year, converts at all their moments."""
    rows = funnel(leads)
    won = np.isin(rows.lead, np.unique(rows.lead)[:: round(1 / rate)])
    event = np.where(won & (rows.observed_days > 1), 0.5, np.nan)
    return replace(rows, y=np.where(event == 0.5, 1.0, np.where(rows.mature, 0.0, np.nan)), event_days=event)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_criteria_follow_from_their_definitions(rate: float) -> None:
    """The number of leads at which the expected shrinkage is nine tenths, found by search instead of by formula."""
    most = 1 - (rate**rate * (1 - rate) ** (1 - rate)) ** 2
    explained = 0.15 * most

    def shrinkage(n: float) -> float:
        """1 + parameters / (n ln(1 - R² / S)): the factor that is expected at n leads, minus the one asked for."""
        return float(1 + 12 / (n * np.log(1 - explained / 0.9)) - 0.9)

    sizes = criteria(rate, 12)
    assert sizes["shrinkage"] == pytest.approx(brentq(shrinkage, 10, 1e7))
    half_width = 1.96 * np.sqrt(rate * (1 - rate) / sizes["base rate"])
    assert half_width == pytest.approx(min(0.05, rate / 4))


def test_leads_are_counted_not_moments() -> None:
    rows = thin(1_000, 0.05)
    arrays = ("y", "weight", "lead", "as_of", "mature", "event_days", "observed_days")
    repeated: dict[str, Any] = {name: np.repeat(getattr(rows, name), 2) for name in arrays}
    twice = replace(rows, table=rows.features.take(np.repeat(np.arange(len(rows)), 2)), rows=None, **repeated)
    assert need_of(rows, 12) == need_of(twice, 12)
    assert need_of(rows, 12).converted < (rows.y == 1).sum()


def test_what_is_missing_and_how_long_it_takes() -> None:
    need = need_of(thin(1_000, 0.04), 12)
    assert not need.met
    assert need.weeks == pytest.approx((need.needed - need.converted) / need.per_week)
    assert f"{need.needed - need.converted} more, about" in sentence(need)
    # 40 of 1,000 leads in a year, those of the last month still unknown.
    assert 0.3 < need.per_week < 1.5


def test_enough_is_enough() -> None:
    assert need_of(funnel(3_000), 12).met


def test_few_conversions_are_refused_with_what_is_missing_or_fall_back_on_request() -> None:
    rows, plan = thin(1_000, 0.04), TrainingPlan()
    with pytest.raises(DataError, match=r"leads have converted, \d+ are needed \(shrinkage\): \d+ more, about"):
        sized(rows, plan)
    assert sized(rows, replace(plan, small="prior", twin="yes"))[0] == replace(plan, small="prior", model="prior")
    assert sized(rows, replace(plan, fewest_converted=30))[0].model == "fixed"
    assert sized(funnel(3_000), replace(plan, small="prior"))[0].model == "fixed"


def test_a_handful_is_too_little_even_for_a_prior() -> None:
    with pytest.raises(DataError, match="even a model with a prior takes 10"):
        sized(thin(1_000, 0.006), TrainingPlan(small="prior"))
