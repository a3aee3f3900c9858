"""Can I trust it: whether probabilities come true, what the model has learnt from, and what it cannot know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from starlette.responses import Response
from starlette.routing import Route

from serving.pages.rendering.page_context import PageContext, shows
from serving.pages.rendering.plot import Scale
from serving.pages.rendering.shares import Share, share
from serving.pages.thresholds import grounds_of
from serving.scoring.served_model import Live
from training.thresholds.calibration_by_month import EDGES, MonthBand

LEFT, RIGHT, TOP, BOTTOM = 52, 424, 14, 252
LIMITS = 6
"""Sentences about what it cannot know."""
MONTHS = 12
"""The newest months that are shown."""
BINS = 10
MARKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Where a picture has ticks."""


@dataclass(frozen=True)
class Dot:
    """Leads of like probability: what was said of them, and what came. verdict: as said, more, or fewer."""

    said: float
    leads: int
    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Spot:
    """A dot in the picture: its place, and how far its interval reaches."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Picture:
    """Ready to draw; the diagonal runs from (LEFT, BOTTOM) to `corner`."""

    spots: list[Spot]
    x: list[tuple[float, float]]
    y: list[tuple[float, float]]
    corner: tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """A band of a month: leads, promised and come; None in a table where there was no lead."""

    leads: int
    promised: float
    came: int


@dataclass(frozen=True)
class Month:
    """A month: its bands, all of it, and whether what came is what was promised, more, or fewer."""

    month: str
    cells: list[Cell | None]
    all: Cell
    seen: Share
    verdict: str


@shows("viewer")
def trust(context: PageContext) -> Response:
    """Everything that speaks for and against believing the numbers."""
    live = context.services.champion.current()
    about = live.predictor.about
    own = context.services.store.promised_vs_realised.read(live.target.name)
    dots, unseen = dots_of(live)
    return context.render(
        "trust.html",
        here="trust",
        dots=dots,
        unseen=unseen,
        picture=picture_of(dots) if dots else None,
        months=months_of(own or _learnt(live)),
        own=bool(own),
        edges=EDGES,
        trained=about["trained_on"],
        judged=about.get("judged"),
        adjustment=about.get("adjustment"),
        model=live.model,
        run=live.run,
        link=link_of(context.services.tracking, live),
        tracking=context.services.tracking,
        events=[str(live.scorer.words.get(event, {}).get(context.language, event)) for event in live.target.events],
        target=live.target,
        limits=range(LIMITS),
    )


def dots_of(live: Live) -> tuple[list[Dot], bool]:
    """Tenths of leads by probability, and whether the model had not seen them.

    What the judge said of the newest slice, which it had never seen, where the artifact has it and nothing was laid
    over since; else what was said out of fold of the leads behind the thresholds.
    """
    about = live.predictor.about
    if "judged" in about and "adjustment" not in about:
        return [_dot_of_bin(judged) for judged in about["judged"]["bins"]], True
    grounds = grounds_of(live)
    if grounds is None or not len(grounds.labels.p):
        return [], False
    order = np.argsort(grounds.labels.p, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    p, y = grounds.labels.p, grounds.labels.y
    return [_dot(float(p[part].mean()), len(part), int(y[part].sum())) for part in parts], False


def picture_of(dots: Sequence[Dot]) -> Picture:
    """Said to the right, come upwards; both from 0 to the same end, by square roots, since most leads lie near 0."""
    most = max(max(dot.said, dot.high) for dot in dots)
    end = next((mark for mark in MARKS if mark >= most), 1.0)
    marks = [mark for mark in MARKS if mark <= end]
    across, upwards = Scale(0, sqrt(end), LEFT, RIGHT), Scale(0, sqrt(end), BOTTOM, TOP)

    def x(value: float) -> float:
        return across(sqrt(value))

    def y(value: float) -> float:
        return upwards(sqrt(value))

    spots = [Spot(x(dot.said), y(dot.value), y(dot.low), y(dot.high)) for dot in dots]
    return Picture(spots, [(x(mark), mark) for mark in marks], [(y(mark), mark) for mark in marks], (RIGHT, TOP))


def months_of(bands: Sequence[MonthBand]) -> list[Month]:
    """The newest months, the newest first."""
    ordered = sorted(bands, key=lambda row: (row.month, row.band))
    months = [_month(month, list(rows)) for month, rows in groupby(ordered, key=lambda row: row.month)]
    return [month for month in months if month is not None][::-1][:MONTHS]


def link_of(tracking: str, live: Live) -> str | None:
    """The page of this version on a tracking server; None when the address is not one of the web."""
    if urlsplit(tracking).scheme not in ("http", "https"):
        return None
    name, version = (quote(part, safe="") for part in (live.model.name, live.model.version))
    return f"{tracking.rstrip('/')}/#/models/{name}/versions/{version}"


def _learnt(live: Live) -> list[MonthBand]:
    grounds = grounds_of(live)
    return [] if grounds is None else grounds.months


def _month(month: str, rows: list[MonthBand]) -> Month | None:
    by_band = {row.band: Cell(row.leads, row.promised, row.came) for row in rows}
    cells = [by_band.get(place) for place in range(len(EDGES) - 1)]
    whole = Cell(*(sum(getattr(row, name) for row in rows) for name in ("leads", "promised", "came")))
    seen = share(whole.came, whole.leads)
    if seen is None:
        return None
    return Month(month, cells, whole, seen, _verdict(whole.promised / whole.leads, seen.low, seen.high))


def _dot(said: float, leads: int, came: int) -> Dot:
    seen = share(came, leads) or Share(0, 0, 0.0, 0.0, 1.0)
    return Dot(said, leads, seen.value, seen.low, seen.high, _verdict(said, seen.low, seen.high))


def _dot_of_bin(judged: Mapping[str, Any]) -> Dot:
    observed = judged["observed"]
    low, high = observed["low"] or 0.0, observed["high"] if observed["high"] is not None else 1.0
    return Dot(
        judged["predicted"], judged["leads"], observed["value"], low, high, _verdict(judged["predicted"], low, high)
    )


def _verdict(said: float, low: float, high: float) -> str:
    """
    >>> _verdict(0.1, 0.05, 0.2), _verdict(0.1, 0.2, 0.3), _verdict(0.5, 0.2, 0.3)
    ('as_said', 'more', 'fewer')
    """
    return "more" if low > said else "fewer" if high < said else "as_said"


routes = [
    Route("/trust", trust),
]
