"""What a run leaves for MLflow beside its artifacts: metrics, lineage, data sets, rivals, trials, tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data.typed_json import JsonObject, JsonValue, to_json
from features.training_set import TrainingSet
from training.measuring.evaluation import Bin, Judgement
from training.model.permutation import Shuffled
from training.monitoring.data_profile import FeatureProfile
from training.recipe.tuning import TuningTrial
from training.registry.run_logging import CURVES, DATASETS, DESCRIPTION, RIVALS, TABLES, Dataset, Rival
from training.report.account import Background, TrainingAccount
from training.report.sentences import summary
from training.samples.sample import Sample

LANGUAGE = "report_language"
"""The tag that says in which language a run is reported."""
COMMIT = "mlflow.source.git.commit"
"""The tag that MLflow's pages show as the commit of a run's code."""
SOURCE = {"mlflow.source.name": "leadscore train", "mlflow.source.type": "LOCAL"}
"""What MLflow's pages name as the source of a run."""
POINTS = 60
"""Steps of a curve at most; each is a request to a tracking server."""
LEARN, JUDGED = ("to learn from", "training"), ("to judge on", "evaluation")
Shares = Sequence[tuple[str, float]]
"""Features, and their shares in what the trees gained."""


def write_records(
    folder: Path,
    training_set: TrainingSet,
    account: TrainingAccount,
    datasets: Sequence[Dataset],
    importances: Shares,
    tuned: Sequence[TuningTrial],
    losses: Sequence[Sequence[float]],
) -> None:
    """Writes them as JSON files into a folder that is there; losses: of each member, see `by_tree`."""
    records = {
        "recipe.json": training_set.recipe.to_json(),
        "evaluation.json": account.evaluation.to_dict(),
        "trials.json": {"trials": [{**asdict(trial), "accepted": trial.accepted} for trial in account.trials]},
        DATASETS: datasets,
        RIVALS: [*map(_baseline, account.evaluation.judgements[1:]), *map(_tuned, tuned)],
        CURVES: [*([by_tree(losses)] if any(losses) else []), *_by_share(account.background)],
        TABLES: [
            {"name": "bands", "columns": _bins(account.evaluation.bands)},
            {"name": "tenths", "columns": _bins(account.evaluation.bins)},
            *_background_tables(account.background),
            {
                "name": "importances",
                "columns": _columns([{"feature": name, "share": share} for name, share in importances]),
            },
        ],
    }
    for name, record in records.items():
        (folder / name).write_text(json.dumps(record, indent=2), encoding="utf-8")


def by_tree(losses: Sequence[Sequence[float]]) -> JsonObject:
    """Mean log-loss of the members, each on the leads that it did not see, by the number of trees of each.

    losses: of each member, after each tree. One that has had its best keeps that, since its later trees are dropped.

    >>> by_tree([[0.5, 0.4, 0.3], [0.6, 0.4, 0.5]])["values"]
    [0.55, 0.4, 0.35]
    """
    known = [np.asarray(of_member) for of_member in losses if len(of_member)]
    last = max(map(len, known))
    steps = np.unique(np.linspace(1, last, min(last, POINTS)).round().astype(int))
    values = [np.mean([of_member[min(step - 1, of_member.argmin())] for of_member in known]) for step in steps]
    return {"name": "learning.log_loss", "steps": steps.tolist(), "values": np.round(values, 12).tolist()}


def _by_share(background: Background | None) -> list[JsonObject]:
    """The log-loss of the learning curve, by percent of the leads."""
    points = background.curve.points if background else ()
    curve = {
        "name": "learning.log_loss_by_share",
        "steps": [round(100 * point.share) for point in points],
        "values": [round(point.log_loss, 12) for point in points],
    }
    return [to_json(curve)] if points else []


def _background_tables(background: Background | None) -> list[JsonObject]:
    """Learning curve, permutation importance and the data's profile as tables of numbers; empty ones are left out."""
    if background is None:
        return []
    rows: dict[str, list[JsonObject]] = {
        "learning_curve": list(map(to_json, background.curve.points)),
        "permutation": list(map(_permuted, background.shuffled)),
        "months": list(map(to_json, background.profile.months)),
        "features": [_feature(feature) for feature in background.profile.features],
    }
    return [{"name": name, "columns": _columns(table)} for name, table in rows.items() if table]


def _permuted(result: Shuffled) -> JsonObject:
    folds = {f"fold_{fold}": lost for fold, lost in enumerate(result.by_fold)}
    return {"feature": result.feature, "mean": result.mean, **folds}


def _feature(feature: FeatureProfile) -> JsonObject:
    plain, shift = to_json(replace(feature, shift=None)), feature.shift
    del plain["shift"]
    return {
        **plain,
        "psi": shift.psi if shift else None,
        "p": shift.p if shift else None,
        "moved": bool(shift and shift.shifted),
    }


def tags_of(training_set: TrainingSet, account: TrainingAccount) -> dict[str, str]:
    """The lineage of a run."""
    commit = account.code.get("git_commit")
    return {
        "training_set": training_set.digest,
        "event_log": training_set.recipe.log_digest,
        "target": account.target.name,
        LANGUAGE: account.language,
        **account.code,
        **{f"version.{name}": number for name, number in (account.trained_on.versions or {}).items()},
        **SOURCE,
        **({COMMIT: commit} if commit else {}),
        DESCRIPTION: summary(account),
    }


def metrics_of(account: TrainingAccount) -> dict[str, float]:
    """How the recipe did on the newest slice, and what its trials gained; the baselines are rivals, see RIVALS."""
    model, *others = account.evaluation.judgements
    metrics = _measured(model)
    for other in others:
        metrics |= {f"gain_over.{other.name.replace(' ', '_')}": other.difference.value or 0.0}
    for trial in account.trials:
        name = f"trial.{trial.name.partition(' ')[0]}"
        metrics |= {f"{name}.gain": trial.gain, f"{name}.se": trial.se}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _measured(judgement: Judgement) -> dict[str, float]:
    known = {name: estimate.value for name, estimate in judgement.metrics.items() if estimate.value is not None}
    return {**known, "ece": judgement.ece}


def dataset_of(training_set: TrainingSet, slice_: tuple[str, str], rows: Sample) -> Dataset:
    """A slice of the training set, by name and MLflow's word for its use: its digest, span and counts."""
    name, context = slice_
    span = int(rows.as_of.min()), int(rows.as_of.max())
    digest = hashlib.sha256(f"{training_set.digest} {name} {span} {len(rows)}".encode()).hexdigest()
    begin, end = (str(np.datetime64(at, "us").astype("datetime64[D]")) for at in span)
    return {
        "name": name,
        "context": context,
        "digest": digest,
        "training_set": training_set.digest,
        "from": begin,
        "to": end,
        "moments": len(rows),
        "leads": len(np.unique(rows.lead)),
        "converted": int(np.nansum(rows.y)),
    }


def _baseline(judgement: Judgement) -> Rival:
    return {"name": judgement.name, "kind": "baseline", "parameters": {}, "metrics": _measured(judgement)}


def _tuned(trial: TuningTrial) -> Rival:
    name = f"tuning {trial.number}"
    return {"name": name, "kind": "tuning", "parameters": trial.parameters, "metrics": {trial.measure: trial.value}}


def _bins(bins: Sequence[Bin]) -> dict[str, list[JsonValue]]:
    rows: list[JsonObject] = []
    for band in bins:
        plain = to_json(band)
        observed = plain.pop("observed")
        rows.append({**plain, **{f"observed_{key}": value for key, value in observed.items()}})
    return _columns(rows)


def _columns(rows: Sequence[Mapping[str, JsonValue]]) -> dict[str, list[JsonValue]]:
    """A table by columns, as MLflow takes it."""
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
