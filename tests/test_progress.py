"""Whoever waits for a training is told how much is done, and about how long the rest takes."""

from __future__ import annotations

import pytest

from console import Screen
from training.pipeline import SHARES


def test_lines_tell_share_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 10.0, 30.0])
    monkeypatch.setattr("console.time.monotonic", lambda: next(clock))
    with Screen().shares({"reading": 0.25, "fitting": 0.5, "writing": 0.25}) as say:
        for name in ("reading", "fitting", "writing"):
            say(name)
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "reading (0% done)",
        "fitting (25% done, about 30 s left)",
        "writing (75% done, about 10 s left)",
    ]


def test_shares_of_a_training_are_all_of_it() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)
