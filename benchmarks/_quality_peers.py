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

from benchmarks._quality_split import Array, Rows, Split

REQUIREMENTS = Path(__file__).with_name("requirements-quality.txt")
LABEL, WEIGHT = "label of the row", "weight of the row"


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
    importlib.import_module(
        {"CatBoost": "catboost", "FLAML": "flaml.automl", "AutoGluon": "autogluon.tabular"}[contender]
    )


fit.prepare = _import  # type: ignore[attr-defined]


def catboost(split: Split, seed: int, budget: float, work: Path) -> Array:
    """CatBoost as it comes, told which columns are categories."""
    from catboost import CatBoostClassifier

    learn, judged = _as_text(split.learn), _as_text(split.judged)
    categories = [name for name in learn if not pd.api.types.is_numeric_dtype(learn[name])]
    model = CatBoostClassifier(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)
    model.fit(learn, split.learn.y, cat_features=categories, sample_weight=split.learn.weight)
    return np.asarray(model.predict_proba(judged)[:, 1])


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
