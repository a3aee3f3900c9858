"""Thresholds the slow way, straight from the books, and the careless way that everybody uses."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest


def certified(counts: Sequence[tuple[int, int]], precision: float, error: float, starts: Sequence[int]) -> set[int]:
    """Which of the (selected, converted) counts, strictest first, are proven to reach the precision.

    From each start walk on, testing at `error`, until a test fails. A walk that passes the next start takes its `error`
    along: the sum of what was begun with is spent once.
    """
    proven: set[int] = set()
    for start in starts:
        level, at = 0.0, start
        while at < len(counts):
            level += error if at in starts else 0.0
            selected, converted = counts[at]
            if binomtest(converted, selected, precision, alternative="greater").pvalue > level:
                break
            proven.add(at)
            at += 1
    return proven


def careless_threshold(p: Sequence[float], y: Sequence[float], precision: float) -> float | None:
    """The lowest probability above which the labels at hand reach the precision."""
    best, won = None, 0.0
    for count, (score, label) in enumerate(sorted(zip(p, y, strict=True), reverse=True), start=1):
        won += label
        if won / count >= precision:
            best = score
    return best
