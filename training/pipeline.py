"""One training run: judge on the newest slice, fit the champion, write artifacts and report, register in MLflow."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.contract import US_PER_SECOND, DataError
from features.labels import Target
from features.training_set import TrainingSet
from features.words import in_words
from training.artifact.manifest import NewestSlice, ThinnedFrom, TrainedOn
from training.measuring.metrics import gains
from training.model.prior import FEWEST_CONVERTED, PARAMETERS
from training.recipe.belief import check_believable
from training.recipe.train import (
    Fitted,
    Judged,
    Say,
    TrainingPlan,
    fit_champion,
    judge,
    learnt_from,
    split_by_time,
)
from training.recipe.tuning import tune
from training.recipe.usual import usual_of
from training.registration import decide, register, stand_in
from training.registry.artifact_files import write_artifact
from training.registry.parameters import flat
from training.registry.preflight import check_room
from training.registry.registry import Registry
from training.registry.run_folder import JUDGE, MODEL, RECORDS, REPORT, RunFolder, finished, run_draft
from training.report import plots
from training.report.backtest_report import sections
from training.report.model_card import model_card
from training.report.published import report_path
from training.report.report import TrainingAccount, html
from training.samples.sample import Sample, read_sample
from training.samples.thinning import Thinned
from training.thresholds.minimum_labels import Need, need_of, sentence

EXAMPLE_ROWS = 5
SHARES = {
    "reading the training set": 0.02,
    "fitting the judge on the past": 0.37,
    "fitting baseline: base rate": 0.0,
    "fitting baseline: points rule": 0.01,
    "fitting baseline: logistic regression": 0.08,
    "fitting baseline: LightGBM defaults": 0.04,
    "fitting the champion on all moments": 0.43,
    "registering in MLflow": 0.05,
}
"""What share of the time each stage of a run takes, tuning apart; by `make bench NAME=training`."""


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
    registry: Registry,
    settings: Mapping[str, Any],
    tuning_minutes: float = 0.0,
    say: Say = lambda text: None,
    allow: Collection[str] = (),
) -> Outcome:
    """Trains, judges and registers; what it writes lies below the registry's workspace. Raises DataError, UsageError.

    allow: columns that were looked into and are no leak, see training/recipe/belief.py.

    What registering needs is asked for first. The same training set and plan give the same model, byte for byte; then
    the version that is there stays.
    """
    target = training_set.recipe.target.name
    name = registry.model_name(target)
    check_room(registry.workspace)
    registry.prepare(name)
    trained = _train(training_set, plan, registry, settings, tuning_minutes, say, allow)
    say("registering in MLflow")
    is_prior = trained.account.trained_on.model == "prior"
    made = register(
        registry,
        trained.run,
        lambda: stand_in(registry, name) if is_prior else decide(registry, name, trained.judged),
    )
    report = report_path(registry.workspace, target) / "report.html"
    return Outcome(name, made.version, made.alias, made.decision, trained.account.digest, trained.account, report)


@dataclass(frozen=True)
class _Trained:
    run: RunFolder
    account: TrainingAccount
    judged: Judged


def _train(
    training_set: TrainingSet,
    plan: TrainingPlan,
    registry: Registry,
    settings: Mapping[str, Any],
    tuning_minutes: float,
    say: Say,
    allow: Collection[str],
) -> _Trained:
    """Judges and fits; all that comes of it is one run."""
    asked = plan.digest
    say("reading the training set")
    sample = read_sample(training_set, plan.most_moments)
    plan, need = sized(sample, plan)
    split = split_by_time(sample, plan)
    if tuning_minutes and plan.model != "prior":
        plan = tune(split.past, plan, tuning_minutes, say)
    plan = plan.decided(sample)
    blind, judged = judge(split, plan, say)
    check_believable(blind, judged, allow)
    judge_on = _trained_on(training_set, learnt_from(split.past, plan), asked, plan)
    del split  # as large as the sample itself
    say("fitting the champion on all moments")
    fitted = fit_champion(sample, plan)
    trained_on = _trained_on(training_set, learnt_from(sample, plan), asked, plan)
    if plan.model == "prior":
        trained_on = replace(trained_on, small=need)
    recipe, promised = training_set.recipe, (fitted.thresholds, fitted.evidence)
    target = recipe.target
    with run_draft(registry.workspace, target.name) as draft:
        made = draft / MODEL, fitted.model, recipe, *promised, trained_on, fitted.grounds, seen_by(judged)
        digest = write_artifact(*made, usual_of(fitted.model, split.judged.features, judged.p))
        write_artifact(draft / JUDGE, blind, recipe, *promised, judge_on)
        name = registry.model_name(target.name)
        account = replace(account_of(name, digest, target, trained_on, judged, fitted), trials=fitted.model.trials_)
        pictures = draw(judged, fitted, training_set)
        _write_report(draft / REPORT, account, pictures, *sections(registry.workspace / "backtest" / target.name))
        _write_records(draft / RECORDS, training_set, account)
        parameters = flat({**settings, "parameters": dict(plan.parameters)})
        example = judged.rows.features.slice(0, EXAMPLE_ROWS)
        run = finished(draft, target.name, example, parameters, _metrics(account), _tags(training_set, account))
    return _Trained(run, account, judged)


def sized(sample: Sample, plan: TrainingPlan) -> tuple[TrainingPlan, Need]:
    """The plan for as many converted leads as there are, and what is needed.

    Raises DataError with the number that is missing where the plan refuses few, or where there are too few for a prior.
    """
    need = need_of(sample, PARAMETERS, plan.fewest_converted)
    if need.met or not sample.mature.any():  # that nothing is mature has a sentence of its own
        return plan, need
    if plan.small == "prior" and need.converted >= FEWEST_CONVERTED:
        return replace(plan, model="prior", twin="no", rates="no", newest_step="no"), need
    advice = 'wait, lengthen horizon_days, or set training.small = "prior" for a simple model with a prior'
    if plan.small == "prior":
        advice = f"even a model with a prior takes {FEWEST_CONVERTED}"
    raise DataError(f"{sentence(need)}; {advice}")


def account_of(
    name: str, digest: str, target: Target, trained_on: TrainedOn, judged: Judged, fitted: Fitted
) -> TrainingAccount:
    """The facts of a run for report and model card."""
    return TrainingAccount(
        name,
        digest,
        target,
        trained_on,
        day(int(judged.rows.as_of.min())),
        day(int(judged.rows.as_of.max())),
        judged.evaluation,
        judged.by_age,
        fitted.thresholds,
        fitted.model.calibration_choice_,
    )


def draw(judged: Judged, fitted: Fitted, training_set: TrainingSet) -> dict[str, bytes]:
    """The pictures of a run as PNG, by file name."""
    rows = judged.rows
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
        "what-if": plots.what_if_curve(fitted.grounds.curve, fitted.thresholds),
        "importances": plots.importances(names, gain / max(gain.sum(), 1e-12)),
    }
    return {name: plots.png(figure) for name, figure in figures.items()}


def day(at: int) -> str:
    """The date (UTC) of a time in µs.

    >>> day(86_400_000_000)
    '1970-01-02'
    """
    return str(np.datetime64(at // US_PER_SECOND, "s").astype("datetime64[D]"))


def seen_by(judged: Judged) -> NewestSlice:
    """How the recipe did on the newest slice, as an artifact tells of it: what was predicted, and what happened."""
    rows, evaluation = judged.rows, judged.evaluation
    span = day(int(rows.as_of.min())), day(int(rows.as_of.max()))
    counts = evaluation.rows, evaluation.leads, evaluation.positives
    return NewestSlice(*span, *counts, evaluation.base_rate, evaluation.bins)


def thinned_from(thinned: Thinned) -> ThinnedFrom:
    """As an artifact tells of it."""
    return ThinnedFrom(thinned.moments, thinned.every, thinned.one_of)


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
        rates=plan.rates,
        training_set=training_set.digest,
        event_log=training_set.recipe.log_digest,
        plan=asked,
        thinned=None if rows.thinned is None else thinned_from(rows.thinned),
        lags=training_set.recipe.lags,
        unobserved=training_set.recipe.unobserved,
    )


def _write_report(
    folder: Path, account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str, backtest_card: str
) -> None:
    folder.mkdir()
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / "report.html").write_text(html(account, pictures, backtest), encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(account, backtest_card), encoding="utf-8")


def _write_records(folder: Path, training_set: TrainingSet, account: TrainingAccount) -> None:
    """Recipe, evaluation and trials of a run."""
    records = {
        "recipe": training_set.recipe.to_json(),
        "evaluation": account.evaluation.to_dict(),
        "trials": {"trials": [{**asdict(trial), "accepted": trial.accepted} for trial in account.trials]},
    }
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record, indent=2), encoding="utf-8")


def _tags(training_set: TrainingSet, account: TrainingAccount) -> dict[str, str]:
    """The lineage of a run."""
    return {
        "artifact_digest": account.digest,
        "training_set": training_set.digest,
        "event_log": training_set.recipe.log_digest,
        "target": account.target.name,
    }


def _metrics(account: TrainingAccount) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for trial in account.trials:
        name = f"trial.{trial.name.partition(' ')[0]}"
        metrics |= {f"{name}.gain": trial.gain, f"{name}.se": trial.se}
    for judgement in account.evaluation.judgements:
        prefix = judgement.name.replace(" ", "_")
        for name, estimate in judgement.metrics.items():
            if estimate.value is not None:
                metrics[f"{prefix}.{name}"] = estimate.value
        metrics[f"{prefix}.ece"] = judgement.ece
    return {name: value for name, value in metrics.items() if np.isfinite(value)}
