"""Answers to drift in a backtest: a label is used once it has matured, and following drift pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from training.backtesting.contenders import Predict, champion
from training.backtesting.drift_steps import drift_steps
from training.backtesting.origins import Outcomes, TableTimeline
from training.recipe.plan import TrainingPlan
from training.samples.log_odds import Array, logit, row_losses
from training.samples.sample import Sample

ROWS, CUT, DELAY = 3_000, 1_500, 300
PLAN = TrainingPlan(parameters={"n_folds": 2, "max_rounds": 10, "n_jobs": 1})
ROLLING = "with rolling intercept"


def drifting(seed: int = 0) -> Sample:
    """Rows whose log-odds jump up by two at the cut."""
    draw = np.random.default_rng(seed)
    x, at = draw.normal(size=ROWS), np.arange(ROWS)
    y = (draw.random(ROWS) < 1 / (1 + np.exp(2 - x - 2 * (at >= CUT)))).astype(np.float64)
    return Sample.of_labels(pa.table({"x": x}), y, np.ones(ROWS), at.astype(str), at)


def fitted(name: str, rows: Sample, delay: int = DELAY) -> Predict:
    """What a contender learns from the rows before the cut whose labels are known by then."""
    past = rows.of(rows.as_of < CUT)
    known = past.as_of + DELAY <= CUT
    past = replace(past, mature=known, y=np.where(known, past.y, np.nan))
    contenders = [champion(PLAN), *drift_steps(PLAN, Outcomes(rows, delay, ROWS // 100))]
    (contender,) = (contender for contender in contenders if contender.name == name)
    return contender.fit(past)


def loss(rows: Sample, p: Array) -> float:
    return float(row_losses(rows.y, logit(p)).mean())


def first_change(delay: int) -> int:
    """The first row whose prediction changes when labels from the middle of the period on are turned round."""
    rows = drifting()
    turned = replace(rows, y=np.where(rows.as_of >= 2_000, 1 - rows.y, rows.y))
    judged = rows.of(rows.as_of >= CUT)
    one, other = (fitted(ROLLING, outcomes, delay)(judged) for outcomes in (rows, turned))
    return int(judged.as_of[np.flatnonzero(one != other)[0]])


def test_no_label_is_used_before_it_has_matured() -> None:
    assert 2_000 + DELAY <= first_change(DELAY) < 2_000 + DELAY + 2 * ROWS // 100


def test_a_label_used_too_early_would_be_caught() -> None:
    assert first_change(1) < 2_000 + DELAY


@pytest.fixture(scope="module")
def losses() -> dict[str, float]:
    rows = drifting()
    judged = rows.of(rows.as_of >= CUT)
    names = ["champion", *(step.name for step in drift_steps(PLAN, TableTimeline(rows, "").outcomes))]
    return {name: loss(judged, fitted(name, rows)(judged)) for name in names}


def test_following_the_drift_pays(losses: dict[str, float]) -> None:
    assert losses[ROLLING] < losses["champion"] - 0.1
    assert losses["with all steps"] < losses["champion"] - 0.1


def test_each_step_changes_the_predictions(losses: dict[str, float]) -> None:
    assert losses.pop("with running rates") == losses["champion"], "there are no categories here"
    assert len(losses) == len(set(losses.values())) == 5


def test_what_is_in_the_recipe_is_switched_off() -> None:
    plan = replace(PLAN, twin="yes", rates="yes", newest_step="yes")
    names = [step.name for step in drift_steps(plan, TableTimeline(drifting(), "").outcomes)]
    assert names == ["without twin", "without running rates", "without newest step", ROLLING, "with all steps"]


def test_labels_of_a_table_are_known_at_the_next_row() -> None:
    outcomes = TableTimeline(drifting(), "").outcomes
    assert (outcomes.delay, outcomes.pace, len(outcomes.rows)) == (1, ROWS // 100, ROWS)
