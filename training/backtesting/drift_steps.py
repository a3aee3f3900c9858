"""What each answer to drift is worth in a backtest: the recipe with one of the steps more (or less), and with all."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from training.backtesting.contenders import Contender, Predict
from training.backtesting.origins import Outcomes
from training.calibration.intercept import MaturedRows, edges_of, rolling_steps
from training.recipe.plan import TrainingPlan
from training.recipe.train import Classifier, fit_model, with_step
from training.samples.log_odds import Array, clip, logit
from training.samples.sample import Sample

Fit = Callable[[Sample, TrainingPlan], Classifier]
Switch = Literal["yes", "no"]


def drift_steps(plan: TrainingPlan, outcomes: Outcomes) -> list[Contender]:
    """The champion's recipe with each member and step on (off where `plan` has it on), and with all of them.

    A rolling intercept follows the labels that mature while the model serves; its trial is left out, so that the table
    shows what it does rather than whether it would be let in.
    """
    fit = _once()
    twin: Switch = "yes" if plan.twin == "no" else "no"
    rates: Switch = "yes" if plan.rates == "no" else "no"
    step: Switch = "no" if plan.newest_step == "yes" else "yes"
    return [
        Contender(
            _named(twin, "twin"),
            "extremely randomised trees averaged in",
            _recipe(replace(plan, twin=twin), fit),
        ),
        Contender(
            _named(rates, "running rates"),
            "members see what categories have brought so far",
            _recipe(replace(plan, rates=rates), fit),
        ),
        Contender(
            _named(step, "newest step"),
            "half a step of the intercept after the newest tenth",
            _recipe(replace(plan, newest_step=step), fit),
        ),
        Contender("with rolling intercept", "half a step a week from matured labels", _rolling(plan, fit, outcomes)),
        Contender(
            "with all steps",
            "twin, newest step and rolling intercept",
            _rolling(replace(plan, twin="yes", newest_step="yes"), fit, outcomes),
        ),
    ]


def _named(now: str, step: str) -> str:
    return f"{'with' if now == 'yes' else 'without'} {step}"


def _once() -> Fit:
    """Fits as `fit_model` does; a model that differs by the step of its intercept alone is fitted once per past."""
    cached: dict[str, tuple[Sample, Classifier]] = {}

    def fit(past: Sample, plan: TrainingPlan) -> Classifier:
        plan = plan.decided(past)
        bare = replace(plan, newest_step="no")
        if cached.get(bare.digest, (None,))[0] is not past:
            cached[bare.digest] = past, fit_model(past, bare)
        return with_step(copy(cached[bare.digest][1]), past, plan)

    return fit


def _recipe(plan: TrainingPlan, fit: Fit) -> Callable[[Sample], Predict]:
    def fitted(past: Sample) -> Predict:
        model = fit(past, plan)
        return lambda rows: model.predict_proba(rows.features)[:, 1]

    return fitted


def _rolling(plan: TrainingPlan, fit: Fit, outcomes: Outcomes) -> Callable[[Sample], Predict]:
    def fitted(past: Sample) -> Predict:
        model = fit(past, plan)
        at, shift = _shifts(model, past, outcomes)

        def predict(rows: Sample) -> Array:
            raw = logit(model.predict_proba(rows.features)[:, 1])
            return clip(expit(raw + shift[np.searchsorted(at, rows.as_of, side="right")]))

        return predict

    return fitted


def _shifts(model: Classifier, past: Sample, outcomes: Outcomes) -> tuple[NDArray[np.int64], Array]:
    """When the intercept moved, int64[steps], and where it stood before and after each, float64[steps + 1].

    From labels that were not mature in the past: whoever stood there learnt them one after the other.
    """
    rows, known = outcomes.rows, past.as_of[past.mature].max()
    fresh = rows.of(rows.as_of > known)
    matured = MaturedRows(
        model.predict_proba(fresh.features)[:, 1],
        fresh.y,
        fresh.weight,
        fresh.lead,
        fresh.as_of,
        fresh.as_of + outcomes.delay,
    )
    until = int(fresh.as_of.max(initial=known))
    steps = list(rolling_steps(matured, edges_of(matured, until, outcomes.pace)))
    return np.array([step.at for step in steps], np.int64), np.array([0.0, *(step.shift for step in steps)])
