"""A recalibration has to pass a forward trial: it finds a planted drift, and leaves a sound model alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from data.contract import US_PER_DAY
from tests.training.test_intercept import WINDOW, moments
from training.calibration.calibrator import IDENTITY, Calibrator, composed
from training.calibration.intercept import MaturedRows
from training.samples.log_odds import logit, row_losses
from training.updating.recalibration_trial import (
    ROLL,
    ROLLING,
    WAYS,
    RecalibrationMethod,
    changed,
    decide,
    roll,
    trial,
    trial_edges,
)

UNTIL = 400 * US_PER_DAY


def test_a_planted_drift_is_followed() -> None:
    rows = moments(-0.8)
    decision = decide(WAYS, rows, rows, UNTIL)
    assert decision.line is not None
    assert decision.line.c == pytest.approx(-0.8, abs=0.2)
    assert [verdict.name for verdict in decision.verdicts] == [way.name for way in WAYS]
    assert "accepted" in decision.reason


def test_a_slope_that_is_wrong_is_mended_only_by_the_sigmoid() -> None:
    rows = moments(0.0, n=8_000)
    rows = replace(rows, p=expit(2.5 * logit(rows.p) + 2.0))
    decision = decide(WAYS, rows, rows, UNTIL)
    assert decision.line is not None
    assert decision.line.name == "sigmoid"
    assert decision.line.a == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_copies_of_a_lead_move_no_way_further(way: RecalibrationMethod) -> None:
    rows = moments(-0.8, n=150)
    copies = rows.of(np.repeat(np.arange(len(rows)), 9))
    once, copied = (logit(way.fit(of, UNTIL)(rows.p)) for of in (rows, copies))
    np.testing.assert_allclose(copied, once, atol=1e-4)
    planted = logit(way.fit(replace(copies, lead=np.arange(len(copies))), UNTIL)(rows.p))
    assert np.abs(planted - once).max() > 0.01, "rows taken for leads must move it further"


def test_a_sound_model_is_mostly_left_alone_and_never_harmed() -> None:
    verdicts = []
    for seed in range(12):
        rows = moments(0.0, n=2_000, seed=seed)
        decision = decide((ROLL,), rows, rows, UNTIL)
        verdicts.append(decision.line is not None)
        if decision.line is not None:
            assert abs(decision.line.c) < 0.5
    # By chance about one in six passes a limit of one standard error; noise costs a rolling intercept more than that.
    assert sum(verdicts) <= 4


def test_a_drift_that_has_come_and_gone_is_refused() -> None:
    """What a look at the whole, without time, would accept: the sum of the past says nothing of what comes."""
    rows = moments(0.0, n=6_000)
    rng = np.random.default_rng(5)
    odds = logit(rows.p) + np.where((rows.as_of // (60 * US_PER_DAY)) % 2 == 0, 1.0, -1.0)
    rows = replace(rows, y=(rng.random(len(rows)) < expit(odds)).astype(np.float64))
    slow = RecalibrationMethod("slow", 16, lambda past, until: Calibrator("slow", 1.0, 1.0, roll(past, until).c))
    edges = trial_edges(rows, UNTIL, 60 * US_PER_DAY)
    assert not trial(slow, rows, edges).accepted


def test_the_trial_uses_labels_only_once_they_are_known() -> None:
    rows = moments(0.8)
    seen: list[tuple[int, int]] = []

    def spy(past: MaturedRows, until: int) -> Calibrator:
        seen.append((int(past.known_at.max()), until))
        return IDENTITY

    trial(RecalibrationMethod("spy", 1, spy), rows, trial_edges(rows, UNTIL))
    assert len(seen) >= 5
    assert all(known <= edge for known, edge in seen)


def test_the_trial_is_the_naive_sum() -> None:
    rows = moments(0.8, n=1_000, per_lead=2)
    edges = trial_edges(rows, UNTIL)
    total, mass = 0.0, 0.0
    for i, edge in enumerate(edges):
        end = edges[i + 1] if i + 1 < len(edges) else 10**18
        over = roll(rows.of(rows.known_at <= edge), int(edge))
        for p, y, at in zip(rows.p, rows.y, rows.as_of, strict=True):
            if edge <= at < end:
                z = float(logit(np.array([p]))[0])
                before, after = (row_losses(np.array([y]), np.array([odds]))[0] for odds in (z, z + over.c))
                total, mass = total + before - after, mass + 1
    assert mass > 200
    assert trial(ROLL, rows, edges).gain == pytest.approx(total / mass)


def test_too_few_labels_say_how_many_are_missing() -> None:
    rows = moments(0.0)
    few = rows.of(np.cumsum(rows.y) <= 7)
    decision = decide(WAYS, rows, few, UNTIL)
    assert decision.line is None
    assert decision.reason == (
        "7 leads with a label that matured since training have converted; 9 more are needed for rolling intercept"
    )


def test_no_labels_at_all_are_an_answer_too() -> None:
    none = moments(0.0).of(np.zeros(4_000, bool))
    assert decide(WAYS, none, none, UNTIL).line is None
    assert len(trial_edges(none, UNTIL)) == 0


def test_what_could_not_be_tried_yet_is_not_used() -> None:
    """Labels enough for a step, but none of a moment that came after they were known."""
    rows = moments(-1.0)
    early = rows.of(rows.as_of < rows.as_of[0] + WINDOW)
    some = replace(early, y=np.arange(len(early)) % 3 == 0)
    decision = decide((ROLL,), some, rows, UNTIL)
    assert decision.line is None
    assert decision.verdicts[0].leads == 0


def test_a_line_over_a_calibrator_is_one_calibrator() -> None:
    base, over = Calibrator("beta", 0.7, 1.3, -0.2), Calibrator("sigmoid", 1.4, 1.4, 0.3)
    p = np.linspace(0.01, 0.99, 50)
    assert np.allclose(composed(base, over)(p), over(base(p)), atol=1e-12)
    with pytest.raises(ValueError, match="beta is no line"):
        composed(over, base)


def test_what_is_moved_is_only_the_probability() -> None:
    rows = moments(0.0, n=50)
    moved = changed(rows, Calibrator(ROLLING, 1.0, 1.0, 1.0))
    assert np.allclose(logit(moved.p), logit(rows.p) + 1)
    assert (moved.y == rows.y).all()
    assert (moved.known_at == rows.as_of + WINDOW).all()
