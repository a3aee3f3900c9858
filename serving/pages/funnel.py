"""The funnel: from unqualified to customer, how many stand where, how they move, and which sources bring buyers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Response

from serving.pages.rendering.page_context import Visit, shows
from serving.pages.rendering.plot import band
from serving.pages.rendering.shares import Share, share
from serving.scoring.served_model import ServedModel
from serving.store.scores.funnel import WITHIN_DAYS, Funnel, Move, Stay

router = APIRouter()
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
class Step:
    """What happens between a stage and the higher ones. back: leads that fell out of it."""

    stage: str
    up: Move
    back: Move


@dataclass(frozen=True)
class Told:
    """How long leads stay in a stage, and how many go on or fall back."""

    stay: Stay
    went_on: Share | None
    fell_back: Share | None


@dataclass(frozen=True)
class Origin:
    """A source in words; "" for all others together."""

    name: str
    leads: int
    bought: Share | None


@router.get("/funnel")
@shows("viewer")
def funnel(visit: Visit) -> Response:
    """The numbers that the last scoring left."""
    live = visit.services.champion.current()
    found = visit.services.store.funnels.read(live.target.name)
    if found is None:
        return visit.page("funnel.html", here="funnel", made_at=None)
    return visit.page(
        "funnel.html",
        here="funnel",
        made_at=found.made_at,
        since=found.since,
        bars=bars_of(found.counts),
        height=ROW * len(found.counts) - ROW + STEP + BAR + 6,
        steps=steps_of(found),
        told=[_told(each) for each in found.stays],
        sources={kind: _sources(found, kind, live, visit) for kind in ("magnet", "channel")},
        within=WITHIN_DAYS,
        days=live.target.horizon_days,
    )


def bars_of(counts: dict[str, int]) -> list[Bar]:
    """The stages from the top down, each as wide as it has leads."""
    most = max([*counts.values(), 1])
    widths = [max(WIDTH * each / most, NARROWEST) for each in counts.values()]
    tops = [STEP + ROW * place for place in range(len(counts))]
    flows = [_flow(tops[i] + BAR, widths[i], tops[i + 1], widths[i + 1]) for i in range(len(counts) - 1)]
    rows = zip(counts, counts.values(), widths, tops, [*flows, ""], strict=True)
    return [Bar(stage, n, round(MIDDLE - w / 2, 1), y, round(w, 1), flow) for stage, n, w, y, flow in rows]


def steps_of(found: Funnel) -> list[Step]:
    """Moves out of each stage that can be left, upwards and back."""
    stages = list(found.counts)
    return [
        Step(stage, _sum(found.moves, [stage], stages[place + 1 :]), _sum(found.moves, [stage], stages[:place]))
        for place, stage in enumerate(stages[:-1])
    ]


def _told(stay: Stay) -> Told:
    return Told(stay, share(stay.went_on, stay.entered), share(stay.fell_back, stay.entered))


def _sum(moves: Sequence[Move], froms: Sequence[str], tos: Sequence[str]) -> Move:
    mine = [each for each in moves if each.before in froms and each.after in tos]
    return Move("", "", sum(each.this_week for each in mine), sum(each.week_before for each in mine))


def _flow(top: float, wide: float, bottom: float, narrow: float) -> str:
    sides = [[(MIDDLE + sign * wide / 2, top), (MIDDLE + sign * narrow / 2, bottom - STEP)] for sign in (-1, 1)]
    return band(sides[0], sides[1])


def _sources(found: Funnel, kind: str, live: ServedModel, visit: Visit) -> list[Origin]:
    mine = [each for each in found.sources if each.kind == kind]
    return [Origin(_name(each.name, live, visit), each.leads, share(each.bought, each.leads)) for each in mine]


def _name(name: str | None, live: ServedModel, visit: Visit) -> str:
    """An event type in the words that the model brings along; a channel as it is."""
    words = live.scorer.words.get(name or "", {})
    return str(words.get(visit.language, name or ""))
