"""Optional search for better parameters with Optuna, judged forward only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from data.contract import DataError
from features.numbers_in_words import number
from training.measuring.metrics import measures
from training.measuring.own_metrics import measured
from training.model.members import Hyperparameters
from training.recipe.plan import TrainingPlan
from training.recipe.train import Say, Split, fit_model, split_by_time
from training.samples.sample import Sample

FORWARD_SHARE = 0.25
Tuned = Literal["num_leaves", "min_leaf", "l2", "column_share"]
TUNED: tuple[Tuned, ...] = ("num_leaves", "min_leaf", "l2", "column_share")


@dataclass(frozen=True)
class Budget:
    """How long a search goes on: so many trials, whose result is the seed's alone, and no longer than so many minutes.

    0 is no bound; both 0 is no search. A bound of time makes the result depend on the machine.
    """

    trials: int = 0
    minutes: float = 0.0

    def __bool__(self) -> bool:
        return self.trials > 0 or self.minutes > 0


@dataclass(frozen=True)
class TuningTrial:
    """Parameters that were tried, and what came of them on the newest quarter of the past, by a measure."""

    number: int
    parameters: Mapping[str, float]
    measure: str
    value: float


def tune(
    past: Sample, plan: TrainingPlan, budget: Budget, say: Say = lambda text: None
) -> tuple[TrainingPlan, tuple[TuningTrial, ...]]:
    """The plan with the parameters that did best on the newest quarter of the past, never on the judging slice.

    The plan's own parameters are tried first, so that the search can only keep or improve them there. What was found
    is logged, and each of it can be put into the settings.
    """
    import optuna

    own = plan.tuning_metric
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        split = split_by_time(past, replace(plan, newest_share=FORWARD_SHARE))
    except DataError as error:
        say(f"no tuning: {error}")
        return plan, ()
    measure = "log_loss" if own is None else own.short_name
    sampler = optuna.samplers.TPESampler(seed=plan.parameters.get("random_state", 0))
    study = optuna.create_study(direction="minimize" if own is None else "maximize", sampler=sampler)
    study.enqueue_trial({name: plan.parameters[name] for name in TUNED if name in plan.parameters})
    timeout = 60 * budget.minutes if budget.minutes else None
    study.optimize(lambda trial: _tried(trial, split, plan), n_trials=budget.trials or None, timeout=timeout, catch=())
    trials = tuple(TuningTrial(trial.number, trial.params, measure, trial.value or 0.0) for trial in study.trials)
    say(f"tuning: {len(trials)} trials, best forward {measure.replace('_', '-')} {number(study.best_value, 4)}")
    return replace(plan, parameters=plan.parameters | cast(Hyperparameters, study.best_params)), trials


def _tried(trial: Any, split: Split, plan: TrainingPlan) -> float:
    suggested: Hyperparameters = {
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "min_leaf": trial.suggest_int("min_leaf", 5, 400, log=True),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
        "column_share": trial.suggest_float("column_share", 0.2, 1.0),
    }
    model = fit_model(split.past, replace(plan, parameters={**plan.parameters, **suggested}))
    p = model.predict_proba(split.judged.features)[:, 1]
    judged = split.judged.y, np.asarray(p, np.float64), split.judged.weight
    own = plan.tuning_metric
    return measures(*judged)["log_loss"] if own is None else measured(own, *judged)
