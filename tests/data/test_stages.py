"""Stages: up at the threshold, down only well below it, no flicker in between."""

from __future__ import annotations

from itertools import pairwise
from math import nextafter

from hypothesis import given
from hypothesis import strategies as st

from training.thresholds.stages import MARGIN, UNQUALIFIED, StageThreshold, next_stage

STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
probabilities = st.floats(0, 1, allow_nan=False)


def walked(steps: list[StageThreshold], path: list[float]) -> list[str]:
    stages: list[str] = []
    for probability in path:
        stages.append(next_stage(stages[-1] if stages else None, probability, steps))
    return stages


def changes(stages: list[str]) -> int:
    return sum(before != after for before, after in pairwise(stages))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.floats(0.001, 0.999))
def test_wobbling_around_a_threshold_changes_the_stage_at_most_once(wobble: list[float], threshold: float) -> None:
    low, high = threshold * (1 - MARGIN) * 1.0001, threshold * (1 + MARGIN)
    path = [low + share * (high - low) for share in wobble]
    assert changes(walked([StageThreshold("SQL", threshold)], path)) <= 1


def test_without_the_margin_that_would_flicker() -> None:
    """The planted fault: stages by threshold alone flicker on the same path."""
    path = [0.199, 0.201] * 5
    plain = ["SQL" if probability >= 0.2 else "MQL" for probability in path]
    assert changes(plain) == 9
    assert changes(walked(STEPS, path)) == 1


@given(st.lists(probabilities, min_size=1, max_size=30))
def test_a_lead_rises_at_once_and_is_never_below_its_threshold_by_more_than_the_margin(path: list[float]) -> None:
    order = [UNQUALIFIED, "MQL", "SQL"]
    for probability, stage in zip(path, walked(STEPS, path), strict=True):
        by_threshold = next_stage(None, probability, STEPS)
        assert order.index(stage) >= order.index(by_threshold)
        begins = {step.stage: step.probability for step in STEPS}.get(stage, 0.0)
        assert probability >= (1 - MARGIN) * begins


@given(probabilities, st.sampled_from([None, UNQUALIFIED, "MQL", "SQL", "customer", "gone"]))
def test_the_order_of_thresholds_does_not_matter_and_a_repeat_changes_nothing(p: float, previous: str | None) -> None:
    stage = next_stage(previous, p, STEPS)
    assert stage == next_stage(previous, p, STEPS[::-1])
    assert stage == next_stage(stage, p, STEPS)


def test_without_thresholds_all_are_unqualified() -> None:
    assert next_stage("SQL", 0.99, []) == UNQUALIFIED


def test_a_stage_begins_at_its_threshold_and_is_held_down_to_nine_tenths_of_it() -> None:
    steps = [StageThreshold("MQL", 0.125), StageThreshold("SQL", 0.5)]
    assert next_stage(None, 0.5, steps) == "SQL"
    assert next_stage("MQL", nextafter(0.5, 0), steps) == "MQL"
    assert next_stage("SQL", 0.45, steps) == "SQL"
    assert next_stage("SQL", nextafter(0.45, 0), steps) == "MQL"
    assert next_stage("MQL", 0.1125, steps) == "MQL"
    assert next_stage("MQL", nextafter(0.1125, 0), steps) == UNQUALIFIED


def test_a_stage_that_is_gone_holds_nobody() -> None:
    steps = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
    for gone in ("renamed", "customer", UNQUALIFIED, None):
        assert next_stage(gone, 0.19, steps) == "MQL"
        assert next_stage(gone, 0.049, steps) == UNQUALIFIED
        assert next_stage(gone, 0.046, steps[:1]) == UNQUALIFIED
