"""Contenders that run in an environment of their own, because their pins conflict with ours."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality._split import Array, Rows, Split

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LABEL, WEIGHT = "label of the row", "weight of the row"
CATBOOST: dict[str, Any] = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
SHOP = frozenset({"BG/NBD", "Pareto/NBD"})
"""Contenders that know nothing but purchases, so that they are asked about the shop alone."""
SHOP_DAYS = 90
MODULES = {
    "BG/NBD": "lifetimes",
    "Pareto/NBD": "lifetimes",
    "Perpetual": "perpetual",
    "CatBoost": "catboost",
    "FLAML": "flaml.automl",
    "AutoGluon": "autogluon.tabular",
}


def fit(contender: str, folder: str, out: str, seed: int, budget: float) -> dict[str, Any]:
    """Learns from a split and writes probabilities (.npy), on one thread.

    `budget` is in CPU seconds, so that a busy machine takes nothing from a contender; 0 where it needs none.
    """
    p = CONTENDERS[contender](Split.read(Path(folder)), seed, budget, Path(out).with_suffix(".work"))
    np.save(out, p)
    return {}


def _import(contender: str, *_: Any) -> None:
    """What is not charged to a contender: imports. Its clock is set to CPU seconds before anything can read it."""
    started = time.time()
    time.time = lambda: started + time.process_time()
    importlib.import_module(MODULES[contender.split(" ")[0]])


fit.prepare = _import  # type: ignore[attr-defined]


def catboost(split: Split, seed: int, budget: float, work: Path) -> Array:
    """CatBoost as it comes, told which columns are categories."""
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(random_seed=seed, **CATBOOST)
    model.fit(_pool(split.learn))
    return np.asarray(model.predict_proba(_as_text(split.judged))[:, 1])


def catboost_stopped(split: Split, seed: int, budget: float, work: Path, has_time: bool = False) -> Array:
    """CatBoost with as many trees as served rows it had not seen, fitted again on all rows."""
    from catboost import CatBoostClassifier

    early, late = split.stopping()
    told = {**CATBOOST, "random_seed": seed, "has_time": has_time}
    first = CatBoostClassifier(early_stopping_rounds=50, **told)
    first.fit(_pool(early), eval_set=_pool(late))
    model = CatBoostClassifier(iterations=max(first.tree_count_, 1), **told)
    model.fit(_pool(split.learn))
    return np.asarray(model.predict_proba(_as_text(split.judged))[:, 1])


def catboost_in_order(split: Split, seed: int, budget: float, work: Path) -> Array:
    """The same, and told that rows are in order of time, so that its own running rates follow it."""
    return catboost_stopped(split, seed, budget, work, has_time=split.in_order)


def perpetual(split: Split, seed: int, budget: float, work: Path) -> Array:
    """PerpetualBooster at the larger of the budgets that its authors advise; it takes no seed."""
    from perpetual import PerpetualBooster

    model = PerpetualBooster(objective="LogLoss", budget=1.0, num_threads=1)
    model.fit(_frame(split.learn), split.learn.y, sample_weight=split.learn.weight)
    return np.asarray(model.predict_proba(_frame(split.judged))[:, 1], np.float64)


def bg_nbd(split: Split, seed: int, budget: float, work: Path) -> Array:
    """BG/NBD (Fader, Hardie, Lee 2005) on days with purchases: P(alive) times P(a purchase within the horizon)."""
    from lifetimes import BetaGeoFitter

    seen, asked = _purchases(split.learn.of(_last_rows(split.learn))), _purchases(split.judged)
    model = BetaGeoFitter(penalizer_coef=0.001).fit(*seen)
    r, alpha = model.params_["r"], model.params_["alpha"]
    again = 1 - ((alpha + asked[2]) / (alpha + asked[2] + SHOP_DAYS)) ** (r + asked[0])
    return np.asarray(model.conditional_probability_alive(*asked) * again)


def pareto_nbd(split: Split, seed: int, budget: float, work: Path) -> Array:
    """Pareto/NBD (Schmittlein, Morrison, Colombo 1987) on days with purchases: 1 - P(none within the horizon)."""
    from lifetimes import ParetoNBDFitter

    seen, asked = _purchases(split.learn.of(_last_rows(split.learn))), _purchases(split.judged)
    model = ParetoNBDFitter(penalizer_coef=0.01).fit(*seen)
    return np.asarray(1 - model.conditional_probability_of_n_purchases_up_to_time(0, SHOP_DAYS, *asked))


def flaml(split: Split, seed: int, budget: float, work: Path) -> Array:
    """FLAML's AutoML on log-loss."""
    from flaml import AutoML

    model = AutoML()
    model.fit(
        _frame(split.learn),
        split.learn.y.astype(np.int64),
        task="classification",
        metric="log_loss",
        time_budget=budget,
        n_jobs=1,
        seed=seed,
        verbose=0,
        sample_weight=split.learn.weight,
    )
    return np.asarray(model.predict_proba(_frame(split.judged))[:, 1])


def autogluon(split: Split, seed: int, budget: float, work: Path) -> Array:
    """AutoGluon in best quality on log-loss; networks are left out, for they need another 2 GB of packages."""
    from autogluon.tabular import TabularPredictor

    learn = _frame(split.learn).assign(**{LABEL: split.learn.y.astype(np.int64), WEIGHT: split.learn.weight})
    judged = _frame(split.judged).assign(**{WEIGHT: split.judged.weight})
    try:
        model = TabularPredictor(LABEL, eval_metric="log_loss", path=str(work), sample_weight=WEIGHT, verbosity=0)
        model.fit(learn, presets="best_quality", time_limit=budget, num_cpus=1, num_gpus=0)
        return np.asarray(model.predict_proba(judged, as_multiclass=False))
    finally:
        shutil.rmtree(work, ignore_errors=True)


CONTENDERS: Mapping[str, Callable[[Split, int, float, Path], Array]] = {
    "BG/NBD": bg_nbd,
    "Pareto/NBD": pareto_nbd,
    "Perpetual": perpetual,
    "CatBoost in order": catboost_in_order,
    "CatBoost stopped early": catboost_stopped,
    "CatBoost": catboost,
    "FLAML": flaml,
    "AutoGluon": autogluon,
}


def interpreter(environment: Path) -> str:
    """The Python of the environment, which is made on the first call from the pinned packages of REQUIREMENTS."""
    python = environment / "bin" / "python"
    ready = environment / "ready"
    if not ready.exists() or ready.read_bytes() != REQUIREMENTS.read_bytes():
        shutil.rmtree(environment, ignore_errors=True)
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(REQUIREMENTS)]
        subprocess.run(install, check=True)
        shutil.copyfile(REQUIREMENTS, ready)
    return os.path.abspath(python)


def _frame(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows.features.to_pandas())


def _as_text(rows: Rows) -> pd.DataFrame:
    """Categories as text, which is how CatBoost takes missing ones too."""
    frame = _frame(rows)
    names = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.assign(**{name: frame[name].astype(object).fillna("missing").astype(str) for name in names})


def _pool(rows: Rows) -> Any:
    from catboost import Pool

    frame = _as_text(rows)
    categories = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return Pool(frame, rows.y, cat_features=categories, weight=rows.weight)


def _last_rows(rows: Rows) -> Any:
    """The places of each lead's latest row: what was known of it last."""
    return np.sort(len(rows) - 1 - np.unique(rows.lead[::-1], return_index=True)[1])


def _purchases(rows: Rows) -> tuple[Array, Array, Array]:
    """(repeat days, age at the last purchase, age), as models of repeat purchases take them, in days."""
    frame = _frame(rows).astype({"age": float})
    age = frame["age"].to_numpy()
    since = np.nan_to_num(frame["recency_purchase"].to_numpy(float), nan=0.0)
    repeats = np.maximum(frame["active_days_purchase_ever"].to_numpy(float) - 1, 0)
    return repeats, np.where(repeats > 0, np.maximum(age - since, 0), 0.0), age
