"""A plan for all stages at once: where each begins for what its people can take, in order, and the nearest that can be.

A goal is so many new leads a week, or what a touch may cost where a win has a value. What cannot be is told with the
nearest goal that can, before anything is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Literal

from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence
from training.thresholds.threshold_selection import by_capacity, by_value
from training.thresholds.volume import Volume

Trouble = Literal["nobody", "everybody", "crowded", "worthless", "order"]
"""Why a goal cannot be: it lets nobody through, or everybody; too many leads share the highest probability; a touch
costs as much as a win is worth; the stage would not follow the one before it."""
TRIED = 2_000
"""Goals that are tried for the nearest one."""


@dataclass(frozen=True)
class Goal:
    """So many new leads a week, or a touch that costs so much where a win is worth `win`."""

    per_week: float | None = None
    win: float | None = None
    touch: float | None = None


@dataclass(frozen=True)
class Planned:
    """A stage in a plan. goal: None for one that stays as it is. threshold: where it would begin; None where it cannot.

    busiest: new leads that nine weeks of ten do not exceed. trouble: why the goal cannot be, None where it can.
    nearest: the nearest goal that can, None where there is none.
    """

    stage: str
    goal: Goal | None
    threshold: Threshold | None
    busiest: float
    trouble: Trouble | None = None
    nearest: float | None = None


def plan_stages(grounds: ThresholdEvidence, held: Sequence[Threshold], goals: Mapping[str, Goal]) -> list[Planned]:
    """What goals come to; held: the thresholds that would hold without them, lowest stage first."""
    volume = grounds.volume
    stages = [_planned(grounds, threshold, goals.get(threshold.stage)) for threshold in held]
    for place in reversed(range(len(stages) - 1)):
        low, high = stages[place], stages[place + 1]
        if _begin(low) is None or _begin(high) is None or (_begin(low) or 0.0) <= (_begin(high) or 0.0):
            continue
        if low.goal is not None:
            nearest = _nearest_below(volume, low, _begin(high) or 0.0)
            stages[place] = replace(low, trouble="order", nearest=nearest)
        elif high.goal is not None:
            nearest = _nearest_above(volume, high, _begin(low) or 0.0)
            stages[place + 1] = replace(high, trouble="order", nearest=nearest)
    return stages


def _begin(planned: Planned) -> float | None:
    return None if planned.threshold is None else planned.threshold.probability


def _planned(grounds: ThresholdEvidence, held: Threshold, goal: Goal | None) -> Planned:
    """One stage by itself."""
    volume, stage = grounds.volume, held.stage
    if goal is None:
        return Planned(stage, None, held, 0.0 if held.probability is None else volume.busy_week(held.probability))
    if goal.win is not None and goal.touch is not None:
        if not 0 < goal.touch < goal.win:
            return Planned(stage, goal, None, 0.0, "worthless", _half(goal.win))
        win, touch = goal.win, goal.touch
        made = grounds.threshold(lambda labels, flow: by_value(stage, labels, flow, win, touch))
        return Planned(stage, goal, made, volume.busy_week(made.probability or 0.0))
    return _by_week(grounds, stage, goal)


def _by_week(grounds: ThresholdEvidence, stage: str, goal: Goal) -> Planned:
    volume, wanted = grounds.volume, goal.per_week or 0.0
    everybody = volume.busy_week(0.0)
    if wanted <= 0:
        return Planned(stage, goal, None, 0.0, "nobody", 1.0)
    made = grounds.threshold(lambda labels, flow: by_capacity(stage, labels, flow, wanted))
    if made.probability is None:
        fits = (
            float(goal)
            for goal in islice(count(int(wanted) + 1), TRIED)
            if volume.lowest_threshold_for(goal) is not None
        )
        return Planned(stage, goal, None, 0.0, "crowded", next(fits, None))
    if made.probability == 0.0:
        fewer = (goal for goal in range(int(everybody), 0, -1) if volume.lowest_threshold_for(goal))
        return Planned(stage, goal, None, everybody, "everybody", next(map(float, fewer), None))
    return Planned(stage, goal, made, volume.busy_week(made.probability))


def _nearest_below(volume: Volume, planned: Planned, begin: float) -> float | None:
    """The smallest goal from which on a stage begins no later than `begin`."""
    if planned.goal is None or planned.goal.per_week is None:
        return None if planned.goal is None else _touch_of(planned.goal, begin)
    goals = islice(count(int(volume.busy_week(begin))), TRIED)
    return next(
        (float(goal) for goal in goals if goal > 0 and (volume.lowest_threshold_for(goal) or 2.0) <= begin), None
    )


def _nearest_above(volume: Volume, planned: Planned, begin: float) -> float | None:
    """The largest goal at which a stage begins no earlier than `begin`."""
    if planned.goal is None or planned.goal.per_week is None:
        return None if planned.goal is None else _touch_of(planned.goal, begin)
    goals = range(int(volume.busy_week(begin)) + 1, 0, -1)
    return next((float(goal) for goal in goals if (volume.lowest_threshold_for(goal) or 0.0) >= begin), None)


def _touch_of(goal: Goal, begin: float) -> float | None:
    return None if goal.win is None else goal.win * begin


def _half(win: float) -> float | None:
    return win / 2 if win > 0 else None
