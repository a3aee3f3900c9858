"""Contenders that run in our own environment: leadscore, and what scikit-learn and LightGBM give as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import CategoricalNB

from benchmarks.quality._split import Array, Rows, Split
from training.model import baselines
from training.model.classifier import LeadConversionClassifier


def fit(contender: str, folder: str, out: str, seed: int, budget: float) -> dict[str, Any]:
    """Learns from a split and writes probabilities for the rows to judge on (.npy). One thread; no budget is needed."""
    p = CONTENDERS[contender](Split.read(Path(folder)), seed)
    np.save(out, p)
    return {}


def leadscore(split: Split, seed: int) -> Array:
    """The mix that training takes: told of leads, and where rows are in order of time of that and of when outcomes were
    certain, so that it sees running rates."""
    learn = split.learn
    model = LeadConversionClassifier(random_state=seed, n_jobs=1)
    time, since = (learn.time, learn.since) if split.in_order else (None, None)
    model.fit(learn.features, learn.y.astype(np.int64), learn.weight, learn.lead, time, since)
    return model.predict_proba(split.judged.features)[:, 1]


def logistic_regression(split: Split, seed: int) -> Array:
    """The strong form that our reports hold a model against: numbers as ranks, its strength chosen forward."""
    learn = split.learn
    return baselines.logistic_regression(learn.features, learn.y, learn.weight, learn.time).predict(
        split.judged.features
    )


def base_rate(split: Split, seed: int) -> Array:
    """The same for all."""
    learn = split.learn
    return baselines.base_rate(learn.features, learn.y, learn.weight, learn.time).predict(split.judged.features)


def lightgbm_defaults(split: Split, seed: int) -> Array:
    """LightGBM as it comes, on one thread."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)
    return _judged(model, split, sample_weight=split.learn.weight)


def lightgbm_tuned(split: Split, seed: int) -> Array:
    """LightGBM, the best of 30 trials of Optuna on rows that a trial has not seen, fitted again on all rows."""
    import optuna
    from lightgbm import LGBMClassifier, early_stopping
    from sklearn.metrics import log_loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    early, late = split.stopping()
    learn, chosen_by = frame_of(early), frame_of(late)

    def loss(trial: optuna.Trial) -> float:
        model = LGBMClassifier(**_tried(trial), n_estimators=2_000, random_state=seed, n_jobs=1, verbose=-1)
        stop = [early_stopping(50, verbose=False)]
        told = {"sample_weight": early.weight, "eval_sample_weight": [late.weight], "callbacks": stop}
        model.fit(learn, early.y, eval_X=chosen_by, eval_y=late.y, **told)
        trial.set_user_attr("trees", max(model.best_iteration_, 1))
        p = np.asarray(model.predict_proba(chosen_by))[:, 1]
        return float(log_loss(late.y, p, sample_weight=late.weight, labels=[0, 1]))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(loss, n_trials=30)
    trees = study.best_trial.user_attrs["trees"]
    best = LGBMClassifier(
        **study.best_params, subsample_freq=1, n_estimators=trees, random_state=seed, n_jobs=1, verbose=-1
    )
    return _judged(best, split, sample_weight=split.learn.weight)


def _tried(trial: Any) -> dict[str, Any]:
    """The settings of a trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 100.0, log=True),
        "subsample_freq": 1,
    }


def hist_gradient_boosting(split: Split, seed: int) -> Array:
    """scikit-learn's as it comes; categories by their type."""
    model = HistGradientBoostingClassifier(random_state=seed)
    return _judged(model, split, sample_weight=split.learn.weight)


def naive_bayes(split: Split, seed: int) -> Array:
    """Frequencies of each value by class, as a CRM's built-in scoring counts them: numbers in tenths, 0.1 added."""
    learn, judged = frame_of(split.learn), frame_of(split.judged)
    codes = [_counted(learn[name], judged[name]) for name in learn]
    seen, asked = (np.column_stack(codes_of_row) for codes_of_row in zip(*codes, strict=True))
    model = CategoricalNB(alpha=0.1, min_categories=np.maximum(seen.max(axis=0), asked.max(axis=0)) + 1)
    model.fit(seen, split.learn.y, sample_weight=split.learn.weight)
    return np.asarray(model.predict_proba(asked)[:, 1])


def _counted(learn: pd.Series, judged: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of a column from 0 on, 0 for what is missing or was never seen."""
    if isinstance(learn.dtype, pd.CategoricalDtype):
        return tuple(
            np.asarray(part.cat.set_categories(learn.cat.categories).cat.codes) + 1 for part in (learn, judged)
        )  # type: ignore[return-value]
    edges = np.unique(learn.quantile(np.arange(1, 10) / 10).dropna())
    return tuple(np.where(part.isna(), 0, np.searchsorted(edges, part) + 1) for part in (learn, judged))  # type: ignore[return-value]


def frame_of(rows: Rows) -> pd.DataFrame:
    """The features as pandas has them: categories as its own type, missing numbers as NaN."""
    return pd.DataFrame(rows.features.to_pandas())


def _judged(model: Any, split: Split, **arguments: Any) -> Array:
    # A column that holds nothing tells nothing, and scikit-learn cannot bin it.
    learn = frame_of(split.learn).dropna(axis="columns", how="all")
    judged = frame_of(split.judged)[list(learn)]
    for name in learn:
        if isinstance(learn[name].dtype, pd.CategoricalDtype):
            judged[name] = judged[name].cat.set_categories(learn[name].cat.categories)
    model.fit(learn, split.learn.y.astype(np.int64), **arguments)
    return np.asarray(model.predict_proba(judged)[:, 1])


CONTENDERS: Mapping[str, Callable[[Split, int], Array]] = {
    "leadscore": leadscore,
    "base rate": base_rate,
    "naive Bayes": naive_bayes,
    "logistic regression": logistic_regression,
    "LightGBM defaults": lightgbm_defaults,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM tuned": lightgbm_tuned,
}
