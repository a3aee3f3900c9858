"""The picture of what thresholds bring: how many of the leads buy, against how many leads come up in a week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.pages.rendering.plot import Point, Scale, band, path, ticks
from serving.scoring.what_if import Brings
from training.thresholds.what_if import WhatIf

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 424, 14, 252
ROWS = 14
"""Thresholds that the table beside the picture shows."""


@dataclass(frozen=True)
class CurveMark:
    """A threshold in the picture. name: what it is. at: where it stands."""

    name: str
    at: Point


@dataclass(frozen=True)
class Curve:
    """Paths and ticks, ready to draw. x, y: (place, value); limit: where sales' capacity lies, None for none."""

    line: str
    area: str
    x: list[tuple[float, float]]
    y: list[tuple[float, float]]
    marks: list[CurveMark]
    limit: float | None


@dataclass(frozen=True)
class CurveRow:
    """A threshold in the table: a chance, leads and wins a week, the share that converts with its interval."""

    probability: float
    leads: float
    wins: float
    precision: float
    low: float
    high: float
    of_all: float


def curve_of(what_if: WhatIf, marks: Mapping[str, Brings], capacity: float | None) -> Curve:
    """The picture of a what-if; marks: thresholds by name. Leads a week to the right, the share that buys upwards."""
    shown = what_if.leads_per_week <= _reach(what_if, marks, capacity)
    rights = ticks(float(what_if.leads_per_week[shown].max(initial=0.0)))
    ups = ticks(float(what_if.high[shown].max(initial=0.0)))
    x, y = Scale(0, rights[-1], LEFT, RIGHT), Scale(0, ups[-1], BOTTOM, TOP)
    leads = [x(rate) for rate in what_if.leads_per_week[shown].tolist()]
    line, upper, lower = (
        list(zip(leads, [y(share) for share in values[shown].tolist()], strict=True))
        for values in (what_if.precision, what_if.high, what_if.low)
    )
    stand = [
        CurveMark(name, (x(threshold.leads), y(threshold.converted / threshold.selected)))
        for name, threshold in marks.items()
        if threshold.selected
    ]
    return Curve(
        path(line),
        band(upper, lower),
        [(x(tick), tick) for tick in rights],
        [(y(tick), tick) for tick in ups],
        stand,
        x(capacity) if capacity is not None and capacity <= rights[-1] else None,
    )


def _reach(what_if: WhatIf, marks: Mapping[str, Brings], capacity: float | None) -> float:
    """Leads a week that the picture reaches to: well beyond what is marked, so that marks do not crowd at its edge."""
    marked = [threshold.leads for threshold in marks.values()]
    return max(2 * max([*marked, capacity or 0.0]), float(what_if.leads_per_week[0]))


def rows_of(what_if: WhatIf) -> list[CurveRow]:
    """Some of the thresholds, from the strictest on."""
    columns = (
        what_if.probability,
        what_if.leads_per_week,
        what_if.wins_per_week,
        what_if.precision,
        what_if.low,
        what_if.high,
    )
    rows = [
        CurveRow(*values_of_row)
        for values_of_row in zip(*(values.tolist() for values in (*columns, what_if.recall)), strict=True)
    ]
    return _spread(rows)


def _spread(rows: Sequence[CurveRow]) -> list[CurveRow]:
    """At most ROWS of them, evenly spread, the first and the last among them."""
    if len(rows) <= ROWS:
        return list(rows)
    return [rows[round(step * (len(rows) - 1) / (ROWS - 1))] for step in range(ROWS)]
