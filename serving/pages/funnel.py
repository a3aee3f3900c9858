"""The funnel: from unqualified to customer, how many stand where, how they move, and which sources bring buyers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from starlette.responses import Response
from starlette.routing import Route

from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.rendering.plot import band
from serving.pages.rendering.share_interval import Share, share
from serving.pages.rendering.texts import known
from serving.scoring.served_model import ServedModel
from serving.scoring.source_cohorts import SourceCohorts, source_cohorts
from serving.store.scores.entrants import TIME_DAYS, EntrantsTold
from serving.store.scores.funnel import WITHIN_DAYS, Funnel, Move, Stay

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
    """A row of entrants in words. went_on, bought, lost: shares of the newest and of those before, None for nobody."""

    name: str
    counted: SourceCohorts
    shares: dict[str, tuple[Share | None, Share | None]]


@dataclass(frozen=True)
class CohortTable:
    """Entrants of a stage by a kind of source, "" for all. has_costs, has_revenue: whether anybody knows of any."""

    stage: str
    kind: str
    rows: list[CohortRow]
    has_costs: bool
    has_revenue: bool


@requires_role("viewer")
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


def cohorts_of(entrants: EntrantsTold | None, live: ServedModel, context: PageContext) -> list[CohortTable]:
    """By stage, the highest first: all who came by themselves and who was moved, then by kind of source."""
    if entrants is None:
        return []
    counted, tables = source_cohorts(entrants, context.services.costs), list[CohortTable]()
    for (stage, kind), rows in groupby(counted, key=lambda row: (row.stage, row.kind)):
        mine = list(rows)
        has_revenue = any(part.revenue for row in mine for part in (row.newest, row.before) if part)
        has_costs = any(row.cost is not None for row in mine)
        tables.append(CohortTable(stage, kind, [_cohort(row, live, context) for row in mine], has_costs, has_revenue))
    return tables


def _cohort(counted: SourceCohorts, live: ServedModel, context: PageContext) -> CohortRow:
    if counted.kind:
        name = _name(counted.name, live, context) or context.t("funnel.unknown_source")
    elif counted.reason:
        name = known(f"funnel.moved_{counted.reason}", context.language, counted.reason)
    else:
        name = context.t("funnel.all_entrants")
    periods = (counted.newest, counted.before)
    shares = {
        part: tuple(share(getattr(cohort, part), cohort.entered) if cohort else None for cohort in periods)
        for part in ("went_on", "bought", "lost")
    }
    return CohortRow(name, counted, shares)  # type: ignore[arg-type]


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
