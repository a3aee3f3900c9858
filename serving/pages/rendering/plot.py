"""Where things lie in a picture: scales, ticks and paths, as numbers; templates draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto lengths from `start` to `end`; what lies outside stays at the edge.

    >>> Scale(0, 10, 100, 0)(2.5), Scale(0, 10, 0, 100)(99)
    (75.0, 100.0)
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


def ticks(high: float, most: int = 5) -> list[float]:
    """Round numbers from 0 up to `high` or just above it, at most `most` steps apart.

    >>> ticks(0.9), ticks(47)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    if not (isfinite(high) and high > 0):
        return [0.0, 1.0]
    raw = high / most
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    count = max(1, -int(-high / step * (1 - 1e-9) // 1))
    return [round(place * step, 10) for place in range(count + 1)]


def path(points: Iterable[Point]) -> str:
    """An open line through points.

    >>> path([(0, 1), (2.5, 3)])
    'M0,1L2.5,3'
    """
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def band(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """A closed area between two lines."""
    return f"{path([*upper, *reversed(lower)])}Z"
