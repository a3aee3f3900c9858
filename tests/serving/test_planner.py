"""A plan is in order before anything can be published, and what cannot be is told with the nearest goal that can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.scoring.planner import Goal, Planned, plan_stages
from tests.training.test_replay import crowd
from training.thresholds.rule_types import PrecisionRule
from training.thresholds.stages import are_in_order
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence
from training.thresholds.track_record import Story
from training.thresholds.volume import CrossSection

WORLD = crowd(5)
GROUNDS = ThresholdEvidence(
    Story(WORLD.p, WORLD.y, WORLD.lead, WORLD.as_of, 30), WORLD.as_of == WORLD.as_of, CrossSection(WORLD.p, 30.0)
)
HELD = [
    GROUNDS.with_arrivals(Threshold(stage, PrecisionRule(begin, 0.95), begin, 900, 100, 40, 0.0, 0.0))
    for stage, begin in (("MQL", 0.2), ("SQL", 0.5))
]


def planned(mql: Goal | None = None, sql: Goal | None = None) -> dict[str, Planned]:
    goals = {stage: goal for stage, goal in (("MQL", mql), ("SQL", sql)) if goal is not None}
    return {one.stage: one for one in plan_stages(GROUNDS, HELD, goals)}


def test_both_stages_begin_where_their_people_can_take_what_comes() -> None:
    both = planned(Goal(per_week=20), Goal(per_week=4))
    assert [one.trouble for one in both.values()] == [None, None]
    for stage, most in (("MQL", 20), ("SQL", 4)):
        threshold = both[stage].threshold
        assert threshold is not None
        assert threshold.arrivals is not None
        assert both[stage].busiest == threshold.arrivals.entries.high <= most


@pytest.mark.parametrize(
    ("goal", "trouble"),
    [
        (Goal(per_week=0), "nobody"),
        (Goal(per_week=1e6), "everybody"),
        (Goal(win=100, touch=100), "worthless"),
        (Goal(win=100, touch=0), "worthless"),
        (Goal(per_week=40), "order"),
        (Goal(win=4_000, touch=40), "order"),
    ],
)
def test_what_cannot_be_is_told_with_the_nearest_that_can(goal: Goal, trouble: str) -> None:
    plan = planned(sql=goal)["SQL"]
    assert plan.trouble == trouble
    assert plan.nearest is not None
    again = Goal(per_week=plan.nearest) if goal.per_week is not None else Goal(win=goal.win, touch=plan.nearest)
    once_more = planned(sql=again)["SQL"]
    if once_more.trouble == "order" and once_more.nearest is not None:
        again = Goal(per_week=once_more.nearest)
        once_more = planned(sql=again)["SQL"]
    assert once_more.trouble is None


def test_a_lower_stage_that_would_begin_above_the_higher_one_is_told_so() -> None:
    plans = planned(Goal(per_week=2), Goal(per_week=10))
    assert (plans["MQL"].trouble, plans["SQL"].trouble) == ("order", None)
    nearest = plans["MQL"].nearest
    assert nearest is not None
    assert 2 < nearest <= 11
    assert planned(Goal(per_week=nearest), Goal(per_week=10))["MQL"].trouble is None


def test_a_lower_beginning_never_brings_fewer() -> None:
    """The planted fault is the level of each beginning by itself, which follows a trend of its own."""
    curve = GROUNDS.curve
    assert (np.diff(curve.leads_per_week) >= 0).all()
    assert (np.diff(curve.wins_per_week) >= 0).all()
    assert (np.diff([GROUNDS.volume.above(begin)[0] for begin in curve.probability]) < 0).any()


AMOUNTS = st.one_of(st.none(), st.floats(0, 60), st.sampled_from([0, 1, 29, 30, 1e6, 1e9]))


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, AMOUNTS)
def test_a_plan_without_trouble_is_in_order(mql: float | None, sql: float | None) -> None:
    stages = planned(*(None if amount is None else Goal(per_week=amount) for amount in (mql, sql)))
    if all(one.trouble is None for one in stages.values()):
        begins = [None if one.threshold is None else one.threshold.probability for one in stages.values()]
        assert are_in_order(begins)
