"""One training run: judge on the newest slice, fit the champion, write artifacts and report, register in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from data.contract import DataError
from data.typed_json import JsonObject
from features.training_set import TrainingSet
from training.artifact.manifest import TrainedOn
from training.facts import seen_by, trained_on
from training.model.prior import FEWEST_CONVERTED, PARAMETERS
from training.recipe.belief import check_believable
from training.recipe.plan import TrainingPlan
from training.recipe.segments import judged_segments
from training.recipe.train import (
    Classifier,
    Fitted,
    Judged,
    Say,
    fit_champion,
    judge,
    learnt_from,
    rows_of,
    split_by_time,
)
from training.recipe.tuning import TUNED, Budget, TuningTrial, tune
from training.records import JUDGED, LEARN, dataset_of, metrics_of, tags_of, write_records
from training.registration import Decision, choose_alias, register, stand_in
from training.registry.artifact_files import write_artifact
from training.registry.parameters import flat
from training.registry.preflight import check_room
from training.registry.provenance import code
from training.registry.registry import Registry
from training.registry.run_folder import JUDGE, MODEL, RECORDS, REPORT, RunFolder, finished, run_draft
from training.registry.run_logging import Dataset
from training.report.backtest_report import sections
from training.report.published import report_path
from training.report.report import TrainingAccount
from training.run_report import account_of, draw, gain_shares, write_report
from training.samples.sample import Sample
from training.thresholds.minimum_labels import Need, need_of, sentence

EXAMPLE_ROWS = 5
NO_TUNING = Budget()
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
    settings: JsonObject,
    budget: Budget = NO_TUNING,
    say: Say = lambda text: None,
    allow: Collection[str] = (),
) -> Outcome:
    """Trains, judges and registers; what it writes lies below the registry's workspace. Raises DataError, UsageError.

    allow: columns that were looked into and are no leak, see training/recipe/belief.py.

    What registering needs is asked for first. MLflow's run is open from when there is enough to learn from. The same
    training set and plan give the same model, byte for byte; then the version that is there stays.
    """
    target = training_set.recipe.target.name
    name = registry.model_name(target)
    check_room(registry.workspace)
    registry.prepare(name)
    asked = _Asked(training_set, plan, registry, settings, budget, allow)
    opened = registry.experiment(name).open_run(f"{target} {datetime.now(UTC):%Y-%m-%d %H:%M}")
    with ExitStack() as stack:
        trained = _train(asked, say, lambda: stack.enter_context(opened))
        say("registering in MLflow")
        made = register(registry, trained.run, lambda: _decided(registry, name, trained), trained.logged)
    report = report_path(registry.workspace, target, made.alias) / "report.html"
    return Outcome(name, made.version, made.alias, made.decision, trained.account.digest, trained.account, report)


@dataclass(frozen=True)
class _Asked:
    training_set: TrainingSet
    plan: TrainingPlan
    registry: Registry
    settings: JsonObject
    budget: Budget
    allow: Collection[str]


@dataclass(frozen=True)
class _Trained:
    """What came of it. logged: the id of MLflow's run, which is open."""

    run: RunFolder
    account: TrainingAccount
    judged: Judged
    logged: str


def _decided(registry: Registry, name: str, trained: _Trained) -> Decision:
    is_prior = trained.account.trained_on.model == "prior"
    return stand_in(registry, name) if is_prior else choose_alias(registry, name, trained.judged)


def _train(asked: _Asked, say: Say, opened: Callable[[], str]) -> _Trained:
    """Judges and fits; all that comes of it is one run. MLflow's is `opened` when there is enough to learn from."""
    training_set, digest_asked = asked.training_set, asked.plan.digest
    say("reading the training set")
    sample = rows_of(training_set, asked.plan)
    plan, need = sized(sample, asked.plan)
    split = split_by_time(sample, plan)
    logged, tuned = opened(), tuple[TuningTrial, ...]()
    if asked.budget and plan.model != "prior":
        plan, tuned = tune(split.past, plan, asked.budget, say)
    plan = plan.decided(sample)
    blind, judged = judge(split, plan, say)
    check_believable(blind, judged, asked.allow)
    judge_on = trained_on(training_set, learnt_from(split.past, plan), digest_asked, plan)
    datasets = dataset_of(training_set, LEARN, split.past), dataset_of(training_set, JUDGED, split.judged)
    del split  # as large as the sample itself
    say("fitting the champion on all moments")
    fitted = fit_champion(sample, plan)
    learnt = trained_on(training_set, learnt_from(sample, plan), digest_asked, plan)
    if plan.model == "prior":
        learnt = replace(learnt, small=need)
    made = _Made(plan, blind, judge_on, judged, fitted, learnt, datasets, tuned)
    return _Trained(*_kept(asked, made), judged, logged)


@dataclass(frozen=True)
class _Made:
    plan: TrainingPlan
    blind: Classifier
    judge_on: TrainedOn
    judged: Judged
    fitted: Fitted
    trained_on: TrainedOn
    datasets: tuple[Dataset, ...]
    tuned: tuple[TuningTrial, ...]


def _kept(asked: _Asked, made: _Made) -> tuple[RunFolder, TrainingAccount]:
    """Writes artifacts, report and records as one run."""
    training_set, registry, judged, fitted = asked.training_set, asked.registry, made.judged, made.fitted
    recipe, promised = training_set.recipe, (fitted.thresholds, fitted.evidence)
    target = recipe.target
    with run_draft(registry.workspace, target.name) as draft:
        artifact = draft / MODEL, fitted.model, recipe, *promised, made.trained_on, fitted.grounds, seen_by(judged)
        digest = write_artifact(*artifact)
        write_artifact(draft / JUDGE, made.blind, recipe, *promised, made.judge_on)
        name, segments = registry.model_name(target.name), judged_segments(judged.rows, judged.p)
        account = account_of(name, digest, target, made.trained_on, judged, fitted)
        account = replace(account, trials=fitted.model.trials_, code=code(), segments=segments)
        importances = gain_shares(fitted, training_set)
        pictures = draw(judged, fitted, importances)
        write_report(draft / REPORT, account, pictures, *sections(registry.workspace / "backtest" / target.name))
        write_records(
            draft / RECORDS, training_set, account, made.datasets, importances, made.tuned, fitted.model.curves_
        )
        parameters = flat({**asked.settings, "decided": _decisions(made.plan, made.tuned)})
        example = judged.rows.features.slice(0, EXAMPLE_ROWS)
        tags = tags_of(training_set, account)
        return finished(draft, target.name, example, parameters, metrics_of(account), tags), account


def _decisions(plan: TrainingPlan, tuned: Sequence[TuningTrial]) -> dict[str, str | float]:
    """What the settings left open: the kind of model and its members, and what tuning found."""
    tuned_values: dict[str, float] = {name: plan.parameters[name] for name in TUNED} if tuned else {}
    return {"model": plan.model, "twin": plan.twin, "rates": plan.rates, **tuned_values}


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
