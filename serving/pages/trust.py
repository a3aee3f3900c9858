"""Can I trust it: whether probabilities come true, what the model has learnt from, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from urllib.parse import quote, urlsplit

import numpy as np
from starlette.responses import Response
from starlette.routing import Route

from data.numbers import NoNumber, number_from_text
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.rendering.plot import Scale
from serving.pages.thresholds import grounds_of
from serving.scoring.served_model import ServedModel
from training.measuring.evaluation import Bin
from training.thresholds.calibration_by_month import EDGES, MonthBand
from training.thresholds.promise_check import CheckedCell, check_cell, pooled, quarter

LEFT, RIGHT, TOP, BOTTOM = 52, 424, 14, 252
LIMITS = 6
"""Sentences about what it cannot know."""
MONTHS = 12
"""The newest months that are shown."""
BINS = 10
ABOUT = 0.13
"""Scores within this share of a number are about as high."""
MARKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Where a picture has ticks."""


@dataclass(frozen=True)
class Dot:
    """Leads of like probability: what was said, and what came; verdict: see training/thresholds/promise_check.py."""

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
class PeriodRow:
    """A month, a quarter or all of them: a field for each band and one for all bands, None where there was no lead."""

    period: str
    fields: list[CheckedCell | None]


@dataclass(frozen=True)
class Near:
    """Leads that scored from `low` up to `high`: all of them, and by quarter. asked: percent, as it was typed."""

    asked: str
    low: float
    high: float
    all: CheckedCell | None
    quarters: list[PeriodRow]


@requires_role("viewer")
def trust(context: PageContext) -> Response:
    """Everything that speaks for and against believing the numbers."""
    live = context.services.champion.current()
    manifest = live.predictor.manifest
    own = context.services.store.promised_vs_realised.read(live.target.name)
    typed = dict(context.asked).get("chance", "")
    counted, days = own or _learnt(live), live.target.horizon_days
    dots, unseen = dots_of(live)
    return context.render(
        "trust.html",
        here="trust",
        dots=dots,
        unseen=unseen,
        picture=picture_of(dots) if dots else None,
        months=rows_of(counted, str, days),
        quarters=rows_of(counted, quarter, days),
        whole=rows_of(counted, lambda month: "", days),
        near=near_of(typed, live),
        typed=typed,
        own=bool(own),
        edges=EDGES,
        trained=manifest.trained_on,
        judged=manifest.judged,
        adjustment=manifest.adjustment,
        model=live.model,
        run=live.run,
        link=link_of(context.services.tracking, live),
        tracking=context.services.tracking,
        events=[str(live.scorer.words.get(event, {}).get(context.language, event)) for event in live.target.events],
        target=live.target,
        limits=range(LIMITS),
    )


def dots_of(live: ServedModel) -> tuple[list[Dot], bool]:
    """Tenths of leads by probability, and whether the model had not seen them.

    What the judge said of the newest slice, which it had never seen, where the artifact has it and nothing was laid
    over since; else what was said out of fold of the leads behind the thresholds.
    """
    manifest = live.predictor.manifest
    if manifest.judged is not None and manifest.adjustment is None:
        return [_dot_of_bin(slice_bin, len(manifest.judged.bins)) for slice_bin in manifest.judged.bins], True
    grounds = grounds_of(live)
    if grounds is None or not len(grounds.labels.p):
        return [], False
    order = np.argsort(grounds.labels.p, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    p, y = grounds.labels.p, grounds.labels.y
    return [_dot(float(p[part].mean()), len(part), int(y[part].sum())) for part in parts], False


def picture_of(dots: Sequence[Dot]) -> Picture:
    """Said to the right, come upwards, both from 0 to 100 %."""
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    spots = [Spot(x(dot.said), y(dot.value), y(dot.low), y(dot.high)) for dot in dots]
    return Picture(spots, [(x(mark), mark) for mark in MARKS], [(y(mark), mark) for mark in MARKS], (RIGHT, TOP))


def rows_of(bands: Sequence[MonthBand], period: Callable[[str], str], horizon_days: int) -> list[PeriodRow]:
    """The newest months by period, the newest first."""
    newest = sorted({row.month for row in bands})[-MONTHS:]
    mine = [row for row in bands if row.month in newest]
    table = pooled(mine, period, len(EDGES) - 1, horizon_days)
    return [PeriodRow(name, fields) for name, fields in reversed(table.items())]


def near_of(typed: str, live: ServedModel) -> Near | None:
    """What became of leads that scored about as high as was typed, in percent; None where it is no such number.

    About as high: within an eighth of it, as 20 to 26 % for 23 %.
    """
    grounds, text = grounds_of(live), typed.strip().removesuffix("%").strip().replace(",", ".")
    try:
        asked = number_from_text(text) / 100
    except NoNumber:
        return None
    if grounds is None or not 0 < asked <= 1:
        return None
    low, high = asked * (1 - ABOUT), min(asked * (1 + ABOUT), 1.0)
    rows, days = grounds.near(low, high), live.target.horizon_days
    whole = pooled(rows, lambda month: "", 0, days).get("", [None])
    quarters = pooled(rows, quarter, 0, days)
    return Near(text, low, high, whole[0], [PeriodRow(name, period) for name, period in reversed(quarters.items())])


def link_of(tracking: str, live: ServedModel) -> str | None:
    """The page of this version on a tracking server; None when the address is not one of the web."""
    if urlsplit(tracking).scheme not in ("http", "https"):
        return None
    name, version = (quote(part, safe="") for part in (live.model.name, live.model.version))
    return f"{tracking.rstrip('/')}/#/models/{name}/versions/{version}"


def _learnt(live: ServedModel) -> list[MonthBand]:
    grounds = grounds_of(live)
    return [] if grounds is None else grounds.months


def _dot(said: float, leads: int, came: int) -> Dot:
    field = check_cell(leads, said * leads, came, BINS)
    return Dot(said, leads, came / leads, field.low, field.high, field.verdict)


def _dot_of_bin(slice_bin: Bin, looks: int) -> Dot:
    observed, predicted = slice_bin.observed, slice_bin.predicted
    low, high = observed.low or 0.0, 1.0 if observed.high is None else observed.high
    value, wider = observed.value or 0.0, NormalDist().inv_cdf(1 - 0.025 / looks) / NormalDist().inv_cdf(0.975)
    if low <= predicted <= high:
        verdict = "as_said"
    elif value - wider * (value - low) <= predicted <= value + wider * (high - value):
        verdict = "doubt"
    else:
        verdict = "more" if value > predicted else "fewer"
    return Dot(predicted, slice_bin.leads, value, low, high, verdict)


routes = [
    Route("/trust", trust),
]
