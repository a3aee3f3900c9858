"""The plan on the thresholds' page: what people can take, for all stages, and what past weeks would have brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.plot import Scale, ticks
from serving.pages.rendering.share_interval import Share, share
from serving.pages.threshold_form import ADDRESS, number_of
from serving.scoring.planner import Goal, Planned, plan_stages
from serving.scoring.served_model import ServedModel
from training.thresholds.replay import FirstEntries, StageEntries
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence

WIDTH, LEFT, TOP, BOTTOM = 440, 40, 8, 140


@dataclass(frozen=True)
class WeekBar:
    """A week in the picture: new leads, and those of them that bought at its foot; places and heights.

    is_known: whether it is known by now who bought.
    """

    x: float
    y: float
    height: float
    won_y: float
    won_height: float
    is_known: bool


@dataclass(frozen=True)
class WeekBars:
    """Past weeks, the oldest first. y: (place, value) of ticks. limit: where the goal lies, None without one."""

    bars: list[WeekBar]
    width: float
    y: list[tuple[float, float]]
    limit: float | None


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the plan as the page shows it. typed: what stands in its field. nearest: address of what can be."""

    stage: str
    typed: str
    planned: Planned
    arrivals: StageEntries | None
    bought: Share | None
    lost: float | None
    bars: WeekBars | None
    nearest: str | None


@dataclass(frozen=True)
class StagePlan:
    """What was asked for, stage by stage from the highest down, and whether all of it can be published."""

    stages: list[PlannedStage]
    by: str
    typed: dict[str, str]
    asked: bool
    fits: bool


def field_of(stage: str, by: str) -> str:
    """The name of a stage's field: leads a week, or the cost of a touch."""
    return f"{'cost' if by == 'value' else 'week'}_{stage}"


def fields_of(stages: Sequence[str]) -> list[str]:
    """All fields of a plan, as they stand in addresses and forms."""
    return ["plan", "win", *(field_of(stage, by) for stage in stages for by in ("week", "value"))]


def asked_plan(
    context: PageContext, live: ServedModel, grounds: ThresholdEvidence, values: Mapping[str, str]
) -> StagePlan:
    """The plan that an address or form asks for. Raises Refused for a field that holds no number."""
    own, by = live.scorer.thresholds, "value" if values.get("plan") == "value" else "week"
    held = context.services.store.thresholds.next_in_force(live.target.name, live.model.digest, own)
    goals = goals_of(values, [threshold.stage for threshold in held], by)
    planned = plan_stages(grounds, held, goals)
    typed = {name: values[name] for name in fields_of([threshold.stage for threshold in held]) if values.get(name)}
    stages = [_shown(one, by, typed, grounds) for one in reversed(planned)]
    return StagePlan(stages, by, typed, bool(goals), bool(goals) and all(one.trouble is None for one in planned))


def goals_of(values: Mapping[str, str], stages: Sequence[str], by: str) -> dict[str, Goal]:
    """A goal for each stage whose field is filled in."""
    wanted = {stage: number_of(values, field_of(stage, by), least=0.0) for stage in stages}
    if by == "week":
        return {stage: Goal(per_week=number) for stage, number in wanted.items() if number is not None}
    win = number_of(values, "win")
    given = {stage: number for stage, number in wanted.items() if number is not None and win is not None}
    return {stage: Goal(win=win, touch=number) for stage, number in given.items()}


def made_of(plan: StagePlan) -> list[Threshold]:
    """The thresholds of a plan that fits, of the stages that it changes."""
    changed = [one.planned for one in plan.stages if one.planned.goal is not None]
    return [planned.threshold for planned in changed if planned.threshold is not None]


def _shown(planned: Planned, by: str, typed: Mapping[str, str], grounds: ThresholdEvidence) -> PlannedStage:
    threshold = planned.threshold
    begin = None if threshold is None else threshold.probability
    arrivals, name = grounds.arrivals(begin), field_of(planned.stage, by)
    nearest = None
    if planned.nearest is not None:
        nearest = f"{ADDRESS}?{urlencode({'plan': by, **typed, name: f'{planned.nearest:.10g}'})}#plan"
    bars = None
    if arrivals is not None and begin is not None:
        bars = bars_of(grounds.replay.first_entries(begin), None if planned.goal is None else planned.goal.per_week)
    return PlannedStage(
        planned.stage,
        typed.get(name, ""),
        planned,
        arrivals,
        None if arrivals is None else share(arrivals.converted, arrivals.entered),
        None if arrivals is None or begin is None else grounds.replay.missed(begin),
        bars,
        nearest,
    )


def bars_of(entries: FirstEntries, limit: float | None) -> WeekBars:
    """The picture of past weeks; limit: the goal, drawn where it lies within."""
    leads, wins = entries.leads.tolist(), entries.wins.tolist()
    rows = ticks(max([*leads, limit if limit and limit <= 2 * max(leads) else 0.0]), most=4)
    y, step = Scale(0, rows[-1], BOTTOM, TOP), (WIDTH - LEFT - 4) / max(len(leads), 1)
    bars = [
        WeekBar(
            round(LEFT + place * step, 1),
            y(n),
            round(BOTTOM - y(n), 1),
            y(won),
            round(BOTTOM - y(won), 1),
            place < entries.known,
        )
        for place, (n, won) in enumerate(zip(leads, wins, strict=True))
    ]
    line = y(limit) if limit and limit <= rows[-1] else None
    return WeekBars(bars, round(max(step - 2, 1), 1), [(y(row), row) for row in rows], line)
