"""Optional search for better parameters with Optuna, within a budget of time, judged forward only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from data.contract import DataError
from features.wording import number
from training.measuring.metrics import measures
from training.recipe.train import Say, Split, TrainingPlan, fit_model, split_by_time
from training.samples.sample import Sample

FORWARD_SHARE = 0.25


def tune(past: Sample, plan: TrainingPlan, minutes: float, say: Say = lambda text: None) -> TrainingPlan:
    """The plan with the parameters that did best on the newest quarter of the past, never on the judging slice.

    The plan's own parameters are tried first, so that the search can only keep or improve them there. A budget of time
    makes the result depend on the machine; the parameters found are logged and can be put into the settings.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        split = split_by_time(past, replace(plan, newest_share=FORWARD_SHARE))
    except DataError as error:
        say(f"no tuning: {error}")
        return plan
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=plan.parameters.get("random_state", 0)))
    study.enqueue_trial(
        {name: plan.parameters[name] for name in ("num_leaves", "min_leaf", "l2") if name in plan.parameters}
    )
    study.optimize(lambda trial: _loss(trial, split, plan), timeout=60 * minutes, catch=())
    say(f"tuning: {len(study.trials)} trials, best forward log-loss {number(study.best_value, 4)}")
    return replace(plan, parameters={**plan.parameters, **study.best_params})


def _loss(trial: Any, split: Split, plan: TrainingPlan) -> float:
    suggested = {
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "min_leaf": trial.suggest_int("min_leaf", 5, 400, log=True),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
        "column_share": trial.suggest_float("column_share", 0.2, 1.0),
    }
    model = fit_model(split.past, replace(plan, parameters={**plan.parameters, **suggested}))
    p = model.predict_proba(split.judged.features)[:, 1]
    return float(measures(split.judged.y, np.asarray(p), split.judged.weight)["log_loss"])
