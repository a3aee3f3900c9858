"""Judges a registered champion again: its judge on the newest slice, and beside the true probabilities if known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from data.contract import DataError
from features.training_set import TrainingSet
from training.measuring.evaluation import BesideTruth, against_truth
from training.model.artifact_predictions import predict
from training.model.baselines import BASELINES
from training.pipeline import sized
from training.recipe.plan import TrainingPlan
from training.recipe.train import Judged, Say, Split, fit_baselines, judged_as, rows_of, split_by_time
from training.registry.registry import Registry
from training.samples.log_odds import Array
from training.samples.sample import Sample

STAGES = 1 + len(BASELINES)
"""How many stages a review tells of: reading, baselines."""


def review(registry: Registry, target: str, plan: TrainingPlan, say: Say = lambda text: None) -> Judged:
    """The champion's judge, which never saw the newest slice, beside baselines fitted again on the same past.

    Raises DataError as `predictions` does.
    """
    say("reading the training set")
    split, p = predictions(registry, target, plan)
    return judged_as(split, p, fit_baselines(split, plan, say), plan.metrics)


def predictions(registry: Registry, target: str, plan: TrainingPlan) -> tuple[Split, Array]:
    """The newest slice, and what the champion's judge says of it.

    Raises DataError when there is no champion, or when the training set is not the one that it was trained on.
    """
    training_set = TrainingSet.open(registry.workspace / "training_set" / target)
    champion = registry.champion(registry.model_name(target))
    model = champion.load_judge()
    trained_on = model.manifest.trained_on.training_set or "that it does not name"
    if trained_on != training_set.digest:
        raise DataError(
            f"version {champion.version} was trained on the training set {trained_on[:12]}, "
            f"{training_set.path} now holds {training_set.digest[:12]}: train again, then evaluate"
        )
    sample = rows_of(training_set, plan)
    split = split_by_time(sample, sized(sample, plan)[0])
    return split, predict(model, split.judged)


def beside_truth(rows: Sample, p: Array, truth: Path, horizon_days: int) -> BesideTruth:
    """Predictions `p` beside the true probabilities of a simulated funnel, on the judged moments that it tells of.

    Raises DataError when the file cannot be read or knows none of the moments.
    """
    try:
        table = pq.read_table(truth, filters=[("horizon_days", "=", horizon_days)])
    except (OSError, ValueError) as error:
        raise DataError(f"{truth} cannot be read as true probabilities: {error}") from None
    as_of = table.column("as_of").cast("int64").to_pylist()
    known = dict(
        zip(
            zip(table.column("lead_id").to_pylist(), as_of, strict=True),
            table.column("probability").to_pylist(),
            strict=True,
        )
    )
    true_p = np.array([known.get(key, np.nan) for key in zip(rows.lead.tolist(), rows.as_of.tolist(), strict=True)])
    matched = ~np.isnan(true_p)
    if not matched.any():
        raise DataError(
            f"{truth} knows no judged moment at a horizon of {horizon_days} days: it holds Mondays, 00:00 UTC"
        )
    return against_truth(p[matched], true_p[matched], rows.weight[matched], rows.y[matched])
