"""What more data would bring: shares of leads within each other, and a verdict that luck alone does not give."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.training.test_train import PLAN, funnel
from training.recipe.learning_curve import SHARES, LearningCurve, SharePoint, learning_curve
from training.recipe.train import Split, split_by_time
from training.samples.sample import Sample


@pytest.fixture(scope="module")
def split() -> Split:
    return split_by_time(funnel(1_200), PLAN)


@pytest.fixture(scope="module")
def curve(split: Split) -> LearningCurve:
    return learning_curve(split, PLAN)


def test_it_falls_from_the_base_rate_as_leads_are_added(split: Split, curve: LearningCurve) -> None:
    points = curve.points
    assert [point.share for point in points] == list(SHARES)
    assert points[-1].leads == len(np.unique(split.learn.lead))
    assert points[-1].converted == len(np.unique(split.learn.lead[split.learn.y > 0]))
    assert [point.converted for point in points] == sorted(point.converted for point in points)
    assert points[-1].log_loss < curve.base, "it has learnt something"
    assert points[0].saved is None
    for before, point in pairwise(points):
        assert point.saved == pytest.approx(before.log_loss - point.log_loss)
        assert point.se is not None
        assert point.se > 0


def test_the_same_leads_give_the_same_curve(split: Split, curve: LearningCurve) -> None:
    assert learning_curve(split, PLAN) == curve


def test_outcomes_that_nothing_tells_of_promise_nothing_of_more_data(split: Split) -> None:
    """Planted: outcomes are dealt out anew among the leads."""
    rng = np.random.default_rng(1)

    def dealt(side: Sample) -> Sample:
        y = side.y.copy()
        y[side.mature] = rng.permutation(y[side.mature])
        return replace(side, y=y)

    past, judged = dealt(split.past), dealt(split.judged)
    assert learning_curve(Split(split.cut, past, judged), PLAN).still_falls is not True


def test_the_verdict_asks_for_more_than_luck() -> None:
    def told(saved: float, se: float) -> bool | None:
        point = SharePoint(1.0, 100, 50, 0.3, saved, se)
        return LearningCurve((point,), 0.4).still_falls

    assert (told(0.02, 0.01), told(0.019, 0.01), told(-0.1, 0.01)) == (True, False, False)
    assert LearningCurve((), 0.4).still_falls is None


def test_too_few_who_converted_give_no_points() -> None:
    few = split_by_time(funnel(80), PLAN)
    assert len(learning_curve(few, PLAN).points) < len(SHARES)
