"""A lead's scores over time as places on a drawing: what stands where, not how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.contract import US_PER_DAY
from serving.messages.schemas import ThresholdUsed
from serving.store.scores.scores import ScoreRecord, StageChange

WIDTH, HEIGHT = 1000.0, 160.0
LEFT, RIGHT = 20.0, 890.0
"""Between these the first and the last score stand; to the right is room for the names of stages."""
LINE = 14.0
"""Names of stages keep such a distance."""
HEADROOM = 1.15
MOST_CHANGES = 9
"""So many changes of stage are marked, the newest."""


@dataclass(frozen=True)
class ThresholdMark:
    """A change of stage on the line. x: percent of the width. y: of HEIGHT, from above. number: in the list."""

    x: float
    y: float
    number: int


@dataclass(frozen=True)
class Level:
    """Where a stage begins. label_y: where its name stands, clear of the others."""

    stage: str
    probability: float
    y: float
    label_y: float


@dataclass(frozen=True)
class ScoreLine:
    """line, band: paths in a box of WIDTH × HEIGHT, a step at each score. points: the scores, the newest first."""

    line: str
    band: str
    end: tuple[float, float]
    levels: list[Level]
    marks: list[ThresholdMark]
    points: list[ScoreRecord]


def score_line(
    history: Sequence[ScoreRecord], changes: Sequence[StageChange], thresholds: Sequence[ThresholdUsed]
) -> ScoreLine | None:
    """The drawing of a target's scores and changes of stage (the newest first); None where there is no score."""
    if not history:
        return None
    points = daily(history)[::-1]
    places = _Places(points, thresholds)
    tops, bottoms = ([(places.x(score.as_of), places.y(value)) for score, value in zip(points, values, strict=True)]
                     for values in ([score.high for score in points], [score.low for score in points]))  # fmt: skip
    steps = [(places.x(score.as_of), places.y(score.probability)) for score in points]
    band = f"{_steps(tops)}L{_steps(bottoms, backwards=True)[1:]}Z"
    marked = [places.mark(change, number) for number, change in enumerate(changes[:MOST_CHANGES], 1)]
    marks = [mark for mark in marked if mark]
    end = (100 * steps[-1][0] / WIDTH, steps[-1][1])
    return ScoreLine(_steps(steps), band, end, _levels(thresholds, places), marks, points[::-1])


def _levels(thresholds: Sequence[ThresholdUsed], places: _Places) -> list[Level]:
    """The thresholds that are issued, from the lowest stage up."""
    levels: list[Level] = []
    for threshold in sorted(thresholds, key=lambda threshold: threshold.probability or 0.0):
        if threshold.probability is not None:
            y = places.y(threshold.probability)
            label_y = min(y, levels[-1].label_y - LINE) if levels else y
            levels.append(Level(threshold.stage, threshold.probability, y, label_y))
    return levels


def daily(history: Sequence[ScoreRecord]) -> list[ScoreRecord]:
    """The newest score of each UTC day, the newest day first."""
    newest: dict[int, ScoreRecord] = {}
    for score in sorted(history, key=lambda score: -score.as_of):
        newest.setdefault(score.as_of // US_PER_DAY, score)
    return list(newest.values())


class _Places:
    """From times and probabilities to places."""

    def __init__(self, points: Sequence[ScoreRecord], thresholds: Sequence[ThresholdUsed]) -> None:
        self.points = points
        self.first, self.last = points[0].as_of, points[-1].as_of
        tallest = max(
            *(score.high for score in points), *(threshold.probability or 0.0 for threshold in thresholds), 0.0
        )
        self.top = min(1.0, HEADROOM * tallest) or 1.0

    def x(self, moment: int) -> float:
        if self.last == self.first:
            return RIGHT
        return round(LEFT + (RIGHT - LEFT) * (moment - self.first) / (self.last - self.first), 1)

    def y(self, probability: float) -> float:
        return round(HEIGHT * (1 - min(probability / self.top, 1.0)), 1)

    def mark(self, change: StageChange, number: int) -> ThresholdMark | None:
        """None for a change before the first score that is drawn."""
        before = [score for score in self.points if score.as_of <= change.at]
        if not before:
            return None
        x = 100 * min(self.x(change.at), RIGHT) / WIDTH
        return ThresholdMark(round(x, 2), self.y(before[-1].probability), number)


def _steps(places: Sequence[tuple[float, float]], backwards: bool = False) -> str:
    """A path that holds each height until the next place.

    >>> _steps([(0.0, 5.0), (10.0, 2.0)]), _steps([(0.0, 5.0), (10.0, 2.0)], backwards=True)
    ('M0.0 5.0H10.0V2.0', 'M10.0 2.0V5.0H0.0')
    """
    (x, y), rest = places[0], places[1:]
    if not backwards:
        return f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in rest)
    path = f"M{places[-1][0]} {places[-1][1]}"
    return path + "".join(f"V{y}H{x}" for x, y in places[-2::-1])
