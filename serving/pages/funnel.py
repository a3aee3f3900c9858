"""The funnel: from unqualified to customer, how many stand where, how they move, and which sources bring buyers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_roles import shows
from serving.pages.rendering.plot import band
from serving.pages.rendering.shares import Share, share
from serving.scoring.served_model import ServedModel
from serving.store.scores.entrants import PERIODS, TIME_DAYS, Entrants, EntrantsTold
from serving.store.scores.funnel import WITHIN_DAYS, Funnel, Move, Stay
from training.thresholds.stages import STAGES

WIDTH, MIDDLE, NARROWEST = 400, 220, 8
ROW, BAR, STEP = 100, 30, 24
"""Heights in the picture: from bar to bar, of a bar, and of the line of text above it."""


@dataclass(frozen=True)
class Bar:
    """A stage in the picture. flow: the closed shape to the next one, "" for the last."""

    stage: str
    count: int
    x: float
    y: float
    width: float
    flow: str


@dataclass(frozen=True)
class FunnelStep:
    """What happens between a stage and the higher ones. back: leads that fell out of it."""

    stage: str
    up: Move
    back: Move


@dataclass(frozen=True)
class StageStay:
    """How long leads stay in a stage, and how many go on or fall back."""

    stay: Stay
    went_on: Share | None
    fell_back: Share | None


@dataclass(frozen=True)
class OriginRow:
    """A source in words; "" for all others together."""

    name: str
    leads: int
    bought: Share | None


@dataclass(frozen=True)
class CohortRow:
    """Entrants of a stage, or of one of its sources, in the two periods; None where nobody entered."""

    name: str
    newest: CohortCell | None
    before: CohortCell | None


@dataclass(frozen=True)
class CohortCell:
    """entered: leads. went_on, bought, lost: within their time, with intervals."""

    entered: int
    went_on: Share | None
    bought: Share | None
    lost: Share | None


@shows("viewer")
def funnel(context: PageContext) -> Response:
    """The numbers that the last scoring left."""
    live = context.services.champion.current()
    counted = context.services.store.funnels.read(live.target.name)
    if counted is None:
        return context.render("funnel.html", here="funnel", made_at=None)
    return context.render(
        "funnel.html",
        here="funnel",
        made_at=counted.made_at,
        since=counted.since,
        bars=bars_of(counted.counts),
        height=ROW * len(counted.counts) - ROW + STEP + BAR + 6,
        steps=steps_of(counted),
        stays=[_stage_stay(stay) for stay in counted.stays],
        sources={kind: _sources(counted, kind, live, context) for kind in ("magnet", "channel")},
        entrants=context.services.store.entrants.read(live.target.name),
        cohorts=cohorts_of(context.services.store.entrants.read(live.target.name), live, context),
        time_days=TIME_DAYS,
        within=WITHIN_DAYS,
        days=live.target.horizon_days,
    )


def cohorts_of(told: EntrantsTold | None, live: ServedModel, context: PageContext) -> dict[str, list[CohortRow]]:
    """By stage, the highest first: all who came by themselves, then by source, then who was moved, by what."""
    if told is None:
        return {}
    tables = {}
    for stage in reversed(STAGES):
        mine = [row for row in told.rows if row.stage == stage]
        own, moved = [row for row in mine if not row.reason], [row for row in mine if row.reason]
        sources = sorted({row.source for row in own if row.source is not None})
        rows = [_cohort(context.t("funnel.all_entrants"), own)]
        rows += [
            _cohort(_name(source, live, context), [row for row in own if row.source == source]) for source in sources
        ]
        rows += [
            _cohort(context.t(f"funnel.moved_{reason}"), [row for row in moved if row.reason == reason])
            for reason in sorted({row.reason for row in moved})
        ]
        tables[stage] = [row for row in rows if row.newest or row.before]
    return {stage: rows for stage, rows in tables.items() if rows}


def _cohort(name: str, rows: Sequence[Entrants]) -> CohortRow:
    return CohortRow(name, *(_cell([row for row in rows if row.period == period]) for period in PERIODS))


def _cell(rows: Sequence[Entrants]) -> CohortCell | None:
    entered = sum(row.entered for row in rows)
    counts = (sum(getattr(row, name) for row in rows) for name in ("went_on", "bought", "lost"))
    return CohortCell(entered, *(share(count, entered) for count in counts)) if entered else None


def bars_of(counts: dict[str, int]) -> list[Bar]:
    """The stages from the top down, each as wide as it has leads."""
    most = max([*counts.values(), 1])
    widths = [max(WIDTH * count / most, NARROWEST) for count in counts.values()]
    tops = [STEP + ROW * place for place in range(len(counts))]
    flows = [_flow(tops[i] + BAR, widths[i], tops[i + 1], widths[i + 1]) for i in range(len(counts) - 1)]
    rows = zip(counts, counts.values(), widths, tops, [*flows, ""], strict=True)
    return [Bar(stage, n, round(MIDDLE - w / 2, 1), y, round(w, 1), flow) for stage, n, w, y, flow in rows]


def steps_of(counted: Funnel) -> list[FunnelStep]:
    """Moves out of each stage that can be left, upwards and back."""
    stages = list(counted.counts)
    return [
        FunnelStep(
            stage, _sum(counted.moves, [stage], stages[place + 1 :]), _sum(counted.moves, [stage], stages[:place])
        )
        for place, stage in enumerate(stages[:-1])
    ]


def _stage_stay(stay: Stay) -> StageStay:
    return StageStay(stay, share(stay.went_on, stay.entered), share(stay.fell_back, stay.entered))


def _sum(moves: Sequence[Move], froms: Sequence[str], tos: Sequence[str]) -> Move:
    mine = [move for move in moves if move.before in froms and move.after in tos]
    return Move("", "", sum(move.this_week for move in mine), sum(move.week_before for move in mine))


def _flow(top: float, wide: float, bottom: float, narrow: float) -> str:
    sides = [[(MIDDLE + sign * wide / 2, top), (MIDDLE + sign * narrow / 2, bottom - STEP)] for sign in (-1, 1)]
    return band(sides[0], sides[1])


def _sources(counted: Funnel, kind: str, live: ServedModel, context: PageContext) -> list[OriginRow]:
    mine = [source for source in counted.sources if source.kind == kind]
    return [
        OriginRow(_name(source.name, live, context), source.leads, share(source.bought, source.leads))
        for source in mine
    ]


def _name(name: str | None, live: ServedModel, context: PageContext) -> str:
    """An event type in the words that the model brings along; a channel as it is."""
    words = live.scorer.words.get(name or "", {})
    return str(words.get(context.language, name or ""))


routes = [
    Route("/funnel", funnel),
]
