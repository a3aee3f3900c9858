"""Scores over time: what stands where."""

from __future__ import annotations

import re

from data.contract import US_PER_DAY
from serving.messages.schemas import ThresholdUsed
from serving.pages.leads.score_line import HEIGHT, LEFT, LINE, RIGHT, WIDTH, daily, score_line
from serving.store.scores.scores import ScoreRecord, StageChange


def record(day: float, p: float, stage: str = "MQL") -> ScoreRecord:
    at = int(day * US_PER_DAY)
    return ScoreRecord("L1", "conversion", at, p, p / 2, min(1.0, 2 * p), "1", "d", at, stage)


def threshold(stage: str, p: float | None) -> ThresholdUsed:
    return ThresholdUsed(stage, p, "precision", 0.5, 0.95)


HISTORY = [record(9.5, 0.4), record(9, 0.3), record(4, 0.1), record(0, 0.2)]


def test_of_each_day_the_newest_score_stands() -> None:
    assert [score.probability for score in daily(HISTORY[::-1])] == [0.4, 0.1, 0.2]


def test_a_step_at_each_score_from_the_first_to_the_last() -> None:
    line = score_line(HISTORY, [], [])
    assert line is not None
    numbers = [float(text) for text in re.findall(r"[\d.]+", line.line)]
    assert (numbers[0], numbers[-2]) == (LEFT, RIGHT)
    heights = [numbers[1], *numbers[3::2]]
    assert heights.index(max(heights)) == 1, "the lowest score stands lowest"
    assert all(0 <= height <= HEIGHT for height in heights)
    assert line.end == (100 * RIGHT / WIDTH, heights[-1])
    assert [point.as_of for point in line.points] == sorted((point.as_of for point in line.points), reverse=True)
    assert line.band.endswith("Z")


def test_thresholds_stand_at_their_height_and_names_do_not_touch() -> None:
    line = score_line(HISTORY, [], [threshold("SQL", 0.021), threshold("MQL", 0.02), threshold("none", None)])
    assert line is not None
    assert [level.stage for level in line.levels] == ["MQL", "SQL"]
    low, high = line.levels
    assert low.y > high.y
    assert low.label_y - high.label_y >= LINE


def test_changes_are_marked_where_the_score_was_and_earlier_ones_are_not() -> None:
    changes = [
        StageChange("conversion", int(day * US_PER_DAY), "MQL", "SQL", "score", 0.2, "1") for day in (9.5, 4, -3)
    ]
    line = score_line(HISTORY, changes, [])
    assert line is not None
    assert [(mark.number, mark.x) for mark in line.marks] == [(1, 100 * RIGHT / WIDTH), (2, line.marks[1].x)]
    assert LEFT < 10 * line.marks[1].x < RIGHT


def test_one_score_is_a_point_and_none_is_no_drawing() -> None:
    line = score_line([record(3, 0.0)], [], [])
    assert line is not None
    assert line.end == (100 * RIGHT / WIDTH, HEIGHT)
    assert score_line([], [], []) is None
