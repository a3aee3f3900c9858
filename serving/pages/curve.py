"""The picture of what thresholds bring: how many of the leads buy, against how many leads come up in a week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.pages.rendering.plot import Point, Scale, band, path, ticks
from serving.scoring.what_if import Brings
from training.thresholds.threshold import WhatIf

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 424, 14, 252
ROWS = 14
"""Thresholds that the table beside the picture shows."""


@dataclass(frozen=True)
class Mark:
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
    marks: list[Mark]
    limit: float | None


@dataclass(frozen=True)
class Row:
    """A threshold in the table: a chance, leads and wins a week, the share that converts with its interval."""

    probability: float
    leads: float
    wins: float
    precision: float
    low: float
    high: float
    of_all: float


def curve_of(found: WhatIf, marks: Mapping[str, Brings], capacity: float | None) -> Curve:
    """The picture of a what-if; marks: thresholds by name. Leads a week to the right, the share that buys upwards."""
    shown = found.leads_per_week <= _reach(found, marks, capacity)
    rights = ticks(float(found.leads_per_week[shown].max(initial=0.0)))
    ups = ticks(float(found.high[shown].max(initial=0.0)))
    x, y = Scale(0, rights[-1], LEFT, RIGHT), Scale(0, ups[-1], BOTTOM, TOP)
    leads = [x(each) for each in found.leads_per_week[shown].tolist()]
    line, upper, lower = (
        list(zip(leads, [y(each) for each in values[shown].tolist()], strict=True))
        for values in (found.precision, found.high, found.low)
    )
    stand = [
        Mark(name, (x(each.leads), y(each.converted / each.selected))) for name, each in marks.items() if each.selected
    ]
    return Curve(
        path(line),
        band(upper, lower),
        [(x(each), each) for each in rights],
        [(y(each), each) for each in ups],
        stand,
        x(capacity) if capacity is not None and capacity <= rights[-1] else None,
    )


def _reach(found: WhatIf, marks: Mapping[str, Brings], capacity: float | None) -> float:
    """Leads a week that the picture reaches to: well beyond what is marked, so that marks do not crowd at its edge."""
    marked = [each.leads for each in marks.values()]
    return max(2 * max([*marked, capacity or 0.0]), float(found.leads_per_week[0]))


def rows_of(found: WhatIf) -> list[Row]:
    """Some of the thresholds, from the strictest on."""
    columns = (found.probability, found.leads_per_week, found.wins_per_week, found.precision, found.low, found.high)
    rows = [Row(*each) for each in zip(*(values.tolist() for values in (*columns, found.recall)), strict=True)]
    return _spread(rows)


def _spread(rows: Sequence[Row]) -> list[Row]:
    """At most ROWS of them, evenly spread, the first and the last among them."""
    if len(rows) <= ROWS:
        return list(rows)
    return [rows[round(each * (len(rows) - 1) / (ROWS - 1))] for each in range(ROWS)]
