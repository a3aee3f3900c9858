"""The collector of cycles: histories that are read do not have all connections looked through again and again."""

from __future__ import annotations

import gc

from serving.collector import seldom_collected


def test_all_that_lives_is_seldom_looked_through_and_cycles_still_go() -> None:
    generations: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        generations.extend([about["generation"]] * (phase == "start"))

    before = gc.get_threshold()
    with seldom_collected():
        connections = [[number] for number in range(1_000)]
        gc.callbacks.append(note)
        for _ in range(300):
            history = [[number, []] for number in range(1_000)]
            history.append([1, history])
        gc.callbacks.remove(note)
    assert len(connections) == 1_000
    assert generations
    assert 2 not in generations
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
