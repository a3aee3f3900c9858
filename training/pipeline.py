"""One training run: judge on the newest slice, fit the champion, write artifacts and report, register in MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.contract import US_PER_SECOND, DataError
from features.labels import Target
from features.training_set import TrainingSet
from features.wording import number, signed
from features.words import in_words
from training.artifact.loaded_model import LoadedModel
from training.artifact.manifest import NewestSlice, TrainedOn
from training.measuring.evaluation import Evaluation, evaluate
from training.measuring.metrics import gains
from training.model.baselines import BASELINES
from training.model.encoding import Encoder
from training.model.prior import FEWEST_CONVERTED, PARAMETERS
from training.recipe.selection import choose
from training.recipe.train import (
    Classifier,
    Fitted,
    Judged,
    Say,
    Split,
    TrainingPlan,
    fit_champion,
    judge,
    learnt_from,
    split_by_time,
)
from training.recipe.tuning import tune
from training.registry.artifact_files import write_artifact
from training.registry.registry import CHALLENGER, CHAMPION, Registered, Registry, flat
from training.report import plots
from training.report.backtest_report import sections
from training.report.model_card import model_card
from training.report.report import TrainingAccount, html
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from training.thresholds.minimum_labels import Need, need_of, sentence
from training.thresholds.threshold import what_if
from training.thresholds.threshold_evidence import Grounds

EXAMPLE_ROWS = 5
STAGES = 4 + len(BASELINES)
"""How many stages a run tells of: reading, judge, baselines, champion, MLflow; tuning and comparing are others."""


@dataclass(frozen=True)
class Outcome:
    """What a training run came to. `decision` says which alias the model got, and why."""

    name: str
    version: str
    alias: str
    decision: str
    digest: str
    account: TrainingAccount
    report: Path


def train_and_register(
    training_set: TrainingSet,
    plan: TrainingPlan,
    workspace: Path,
    settings: Mapping[str, Any],
    tuning_minutes: float = 0.0,
    say: Say = lambda text: None,
) -> Outcome:
    """Trains, judges and registers; everything it writes lies below `workspace`. Raises DataError and UsageError.

    The same training set and plan give the same model, byte for byte; then the version that is there stays.
    """
    target, asked = training_set.recipe.target, plan.digest
    name = f"leadscore-{target.name}"
    say("reading the training set")
    sample = read_sample(training_set)
    plan, need = sized(sample, plan)
    split = split_by_time(sample, plan)
    if tuning_minutes and plan.model != "prior":
        plan = tune(split.past, plan, tuning_minutes, say)
    plan, trials = choose(split.past, plan, say)
    blind, judged = judge(split, plan, say)
    say("fitting the champion on all moments")
    fitted = fit_champion(sample, plan)
    folder, judge_folder = (workspace / "models" / target.name / kind for kind in ("model", "judge"))
    trained_on = _trained_on(training_set, learnt_from(sample, plan), asked, plan)
    if plan.model == "prior":
        trained_on = replace(trained_on, small=need)
    digest = _write(folder, fitted.model, fitted, training_set, trained_on, fitted.grounds, seen_by(judged))
    _write(
        judge_folder, blind, fitted, training_set, _trained_on(training_set, learnt_from(split.past, plan), asked, plan)
    )
    account = replace(account_of(name, digest, target, trained_on, judged, fitted), trials=trials)
    pictures = draw(judged, fitted, training_set)
    backtest = sections(workspace / "backtest" / target.name)
    report = _write_report(workspace / "reports" / target.name, account, pictures, *backtest)
    say("registering in MLflow")
    registry = Registry(workspace)
    version, alias, decision = _registered_before(registry, name, digest) or _register(
        registry,
        name,
        folder,
        judge_folder,
        split,
        lambda: (stand_in if plan.model == "prior" else decide)(registry, name, split, judged),
        lambda mlflow: _log(mlflow, settings, plan, training_set, account, report),
    )
    return Outcome(name, version, alias, decision, digest, account, report / "report.html")


def _registered_before(registry: Registry, name: str, digest: str) -> tuple[str, str, str] | None:
    """Version, alias and decision where exactly this model is registered already."""
    for alias in (CHAMPION, CHALLENGER):
        same = registry.find(name, alias)
        if same is not None and same.digest == digest:
            return same.version, alias, "the same model, byte for byte, was registered before and is kept"
    return None


def _register(
    registry: Registry,
    name: str,
    folder: Path,
    judge_folder: Path,
    split: Split,
    decided: Callable[[], tuple[str, str]],
    log: Callable[[Any], None],
) -> tuple[str, str, str]:
    """Version, alias and decision of a new model; `decided` gives the latter two, `log` adds to its run."""
    alias, decision = decided()
    with registry.run(name) as mlflow:
        log(mlflow)
        version = registry.log_model(mlflow, name, folder, judge_folder, split.judged.features.slice(0, EXAMPLE_ROWS))
    registry.alias(name, version, alias, decision)
    return version, alias, decision


def decide(registry: Registry, name: str, split: Split, judged: Judged) -> tuple[str, str]:
    """Which alias a new model gets: the first good one is champion, a later one unless it is worse on the slice."""
    champion, base = judged.evaluation.judgements[0], judged.evaluation.judgements[1]
    loss = champion.metrics["log_loss"].value or 0.0
    if base.difference.low is None or base.difference.low <= 0:
        return CHALLENGER, f"log-loss {number(loss, 4)} is not surely better than the base rate's on the newest slice"
    rival = registry.find(name)
    if rival is None:
        return CHAMPION, f"the first model, better than the base rate (log-loss {number(loss, 4)})"
    return against(rival, split, judged)


def stand_in(registry: Registry, name: str, split: Split, judged: Judged) -> tuple[str, str]:
    """Which alias a model with a prior gets: too few have converted to prove anything, so the first one serves.

    It never takes the place of a model that is there already.
    """
    if registry.find(name) is not None:
        return CHALLENGER, "a model with a prior does not take the place of the one that serves; promote it by hand"
    return CHAMPION, "stands in until enough leads have converted for a model that is judged by them"


def sized(sample: Sample, plan: TrainingPlan) -> tuple[TrainingPlan, Need]:
    """The plan for as many converted leads as there are, and what is needed.

    Raises DataError with the number that is missing where the plan refuses few, or where there are too few for a prior.
    """
    need = need_of(sample, PARAMETERS, plan.fewest_converted)
    if need.met or not sample.mature.any():  # that nothing is mature has a sentence of its own
        return plan, need
    if plan.small == "prior" and need.converted >= FEWEST_CONVERTED:
        return replace(plan, model="prior", twin="no", newest_step="no"), need
    advice = 'wait, lengthen horizon_days, or set training.small = "prior" for a simple model with a prior'
    if plan.small == "prior":
        advice = f"even a model with a prior takes {FEWEST_CONVERTED}"
    raise DataError(f"{sentence(need)}; {advice}")


def against(rival: Registered, split: Split, judged: Judged) -> tuple[str, str]:
    """Compares with the champion in place: its judge, on the rows of the slice that it has not learnt from."""
    model = rival.load_judge()
    if set(model.features) - set(split.judged.features.column_names):
        return CHALLENGER, (
            f"version {rival.version} reads features that this training set lacks, so the two cannot be compared; "
            "point the alias champion at the new version by hand if it shall serve"
        )
    fresh = split.judged.as_of >= model.manifest.trained_on.to_us
    if not fresh.any():
        return CHALLENGER, f"version {rival.version} has learnt from all of the newest slice, it cannot be judged there"
    rows = split.judged.of(fresh)
    p = predict(model, rows)
    difference = evaluate(rows.y, rows.weight, rows.lead, {"new": judged.p[fresh], "old": p}).judgements[1].difference
    if difference.value is None or difference.low is None or difference.high is None:
        return CHALLENGER, f"{len(rows)} moments are too few to compare it with version {rival.version}"
    text = (
        f"log-loss of version {rival.version} minus the new one's on the same moments: "
        f"{signed(difference.value, 4)} ({signed(difference.low, 4)} to {signed(difference.high, 4)})"
    )
    # Worse only where the whole interval says so; on a tie the fresher model serves.
    return (CHALLENGER if difference.high < 0 else CHAMPION), text


def predict(model: LoadedModel, rows: Sample) -> Array:
    """Probabilities (n) of an artifact's model for the rows of a sample."""
    matrix = Encoder.of(model.manifest.features).matrix(rows.features)
    return model.predict(matrix.astype(np.float64))


def account_of(
    name: str, digest: str, target: Target, trained_on: TrainedOn, judged: Judged, fitted: Fitted
) -> TrainingAccount:
    """The facts of a run for report and model card."""
    return TrainingAccount(
        name,
        digest,
        target,
        trained_on,
        day(int(judged.split.judged.as_of.min())),
        day(int(judged.split.judged.as_of.max())),
        judged.evaluation,
        judged.by_age,
        fitted.thresholds,
        fitted.model.calibration_choice_,
    )


def draw(judged: Judged, fitted: Fitted, training_set: TrainingSet) -> dict[str, bytes]:
    """The pictures of a run as PNG, by file name."""
    rows = judged.split.judged
    curve = gains(rows.y, judged.p, rows.weight)
    words = training_set.recipe.words
    names = [in_words(definition, words=words) for definition in training_set.catalogue]
    names += ["days ahead"] * (fitted.model.periods is not None)
    gain = np.sum([booster.feature_importance("gain") for booster in fitted.model.boosters_], axis=0)
    figures = {
        "reliability": plots.reliability(judged.evaluation.bins),
        "gains": plots.gains_curve(curve),
        "precision-recall": plots.precision_recall(curve),
        "scores": plots.score_distribution(fitted.flow.p, fitted.thresholds),
        "what-if": plots.what_if_curve(what_if(fitted.labels, fitted.flow), fitted.thresholds),
        "importances": plots.importances(names, gain / max(gain.sum(), 1e-12)),
    }
    return {name: plots.png(figure) for name, figure in figures.items()}


def day(at: int) -> str:
    """The date (UTC) of a time in µs.

    >>> day(86_400_000_000)
    '1970-01-02'
    """
    return str(np.datetime64(at // US_PER_SECOND, "s").astype("datetime64[D]"))


def _write(
    folder: Path,
    model: Classifier,
    fitted: Fitted,
    training_set: TrainingSet,
    trained_on: TrainedOn,
    grounds: Grounds | None = None,
    judged: NewestSlice | None = None,
) -> str:
    return write_artifact(
        folder, model, training_set.recipe, fitted.thresholds, fitted.evidence, trained_on, grounds, judged
    )


def seen_by(judged: Judged) -> NewestSlice:
    """How the recipe did on the newest slice, as an artifact tells of it: what was predicted, and what happened."""
    rows, evaluation = judged.split.judged, judged.evaluation
    span = day(int(rows.as_of.min())), day(int(rows.as_of.max()))
    counts = evaluation.rows, evaluation.leads, evaluation.positives
    return NewestSlice(*span, *counts, evaluation.base_rate, evaluation.bins)


def _trained_on(training_set: TrainingSet, rows: Sample, asked: str, plan: TrainingPlan) -> TrainedOn:
    return TrainedOn(
        from_=day(int(rows.as_of.min())),
        to=day(int(rows.as_of.max())),
        to_us=int(rows.as_of.max()) + 1,
        moments=len(rows),
        leads=len(np.unique(rows.lead)),
        converted=int(np.nansum(rows.y)),
        converted_leads=len(np.unique(rows.lead[rows.y == 1])),
        model=plan.model,
        twin=plan.twin,
        training_set=training_set.digest,
        event_log=training_set.recipe.log_digest,
        plan=asked,
        lags=training_set.recipe.lags,
        unobserved=training_set.recipe.unobserved,
    )


def _write_report(
    folder: Path, account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str, backtest_card: str
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / "report.html").write_text(html(account, pictures, backtest), encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(account, backtest_card), encoding="utf-8")
    return folder


def _log(
    mlflow: Any,
    settings: Mapping[str, Any],
    plan: TrainingPlan,
    training_set: TrainingSet,
    account: TrainingAccount,
    report: Path,
) -> None:
    """Parameters, metrics, lineage, report and plots of the run."""
    mlflow.log_params(flat({**settings, "parameters": dict(plan.parameters)}))
    mlflow.log_metrics(_metrics(account.evaluation))
    mlflow.set_tags(
        {
            "artifact_digest": account.digest,
            "training_set": training_set.digest,
            "event_log": training_set.recipe.log_digest,
            "target": account.target.name,
        }
    )
    mlflow.log_artifacts(str(report), "report")
    mlflow.log_dict(training_set.recipe.to_json(), "recipe.json")
    mlflow.log_dict(json.loads(json.dumps(account.evaluation.to_dict())), "evaluation.json")
    for verdict in account.trials:
        mlflow.log_metrics(
            {f"trial.{verdict.name.partition(' ')[0]}.{key}": getattr(verdict, key) for key in ("gain", "se")}
        )
    mlflow.log_dict(
        {"trials": [{**asdict(trial), "accepted": trial.accepted} for trial in account.trials]}, "trials.json"
    )


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for judgement in evaluation.judgements:
        prefix = judgement.name.replace(" ", "_")
        for name, estimate in judgement.metrics.items():
            if estimate.value is not None:
                metrics[f"{prefix}.{name}"] = estimate.value
        metrics[f"{prefix}.ece"] = judgement.ece
    return metrics
