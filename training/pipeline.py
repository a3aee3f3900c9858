"""One training run: judge on the newest slice, fit the champion, write artifacts and report, register in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from data.contract import DataError
from data.typed_json import JsonObject
from features.training_set import TrainingSet
from training.artifact.manifest import TrainedOn
from training.background import background_of
from training.champion_choice import Decision, choose_alias, stand_in
from training.facts import seen_by, trained_on
from training.model.prior import FEWEST_CONVERTED, PARAMETERS
from training.recipe.belief import check_believable
from training.recipe.plan import TrainingPlan
from training.recipe.segments import check_there, judged_segments
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
from training.registration import register
from training.registry.artifact_files import write_artifact
from training.registry.parameters import flat
from training.registry.preflight import check_room
from training.registry.provenance import code
from training.registry.registry import Registry
from training.registry.run_folder import JUDGE, MODEL, RECORDS, REPORT, RunFolder, finished, run_draft
from training.registry.run_logging import Dataset
from training.report.account import Background, TrainingAccount
from training.report.backtest_report import sections
from training.report.published import report_path
from training.run_report import Telling, account_of, draw, feature_words, gain_shares, write_report
from training.samples.sample import Sample
from training.thresholds.minimum_labels import Need, need_of, sentence

EXAMPLE_ROWS = 5
NO_TUNING = Budget()
ENGLISH = Telling()
SHARES = {
    "reading the training set": 0.02,
    "fitting the judge on the past": 0.37,
    "fitting baseline: base rate": 0.0,
    "fitting baseline: points rule": 0.01,
    "fitting baseline: logistic regression": 0.08,
    "fitting baseline: LightGBM defaults": 0.04,
    "looking at data and features": 0.04,
    "fitting the champion on all moments": 0.39,
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
    telling: Telling = ENGLISH,
) -> Outcome:
    """Trains, judges and registers; what it writes lies below the registry's workspace. Raises DataError, UsageError.

    allow: columns that were looked into and are no leak, see training/recipe/belief.py. telling: how it is told.

    What registering needs is asked for first. MLflow's run is open from when there is enough to learn from. The same
    training set and plan give the same model, byte for byte; then the version that is there stays.
    """
    target = training_set.recipe.target.name
    name = registry.model_name(target)
    plan.load_own()
    check_room(registry.workspace)
    registry.prepare(name)
    asked = _Asked(training_set, plan, registry, settings, budget, allow, telling)
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
    telling: Telling


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
    check_there(asked.telling.segments, sample.table.column_names)
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
    say("looking at data and features")
    background = background_of(sample, split, blind, plan, asked.telling.observed)
    del split  # as large as the sample itself, and Arrow would keep the memory
    pa.default_memory_pool().release_unused()
    say("fitting the champion on all moments")
    fitted = fit_champion(sample, plan)
    learnt = trained_on(training_set, learnt_from(sample, plan), digest_asked, plan)
    if plan.model == "prior":
        learnt = replace(learnt, small=need)
    made = _Made(plan, blind, judge_on, judged, background, fitted, learnt, datasets, tuned)
    return _Trained(*_kept(asked, made), judged, logged)


@dataclass(frozen=True)
class _Made:
    plan: TrainingPlan
    blind: Classifier
    judge_on: TrainedOn
    judged: Judged
    background: Background
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
        account = _account(asked, made, digest)
        importances = gain_shares(fitted, account.words, account.language)
        pictures = draw(judged, fitted, importances, account)
        write_report(draft / REPORT, account, pictures, *sections(registry.workspace / "backtest" / target.name))
        write_records(
            draft / RECORDS, training_set, account, made.datasets, importances, made.tuned, fitted.model.curves_
        )
        parameters = flat({**asked.settings, "decided": _decisions(made.plan, made.tuned)})
        example = judged.rows.features.slice(0, EXAMPLE_ROWS)
        tags = tags_of(training_set, account)
        return finished(draft, target.name, example, parameters, metrics_of(account), tags), account


def _account(asked: _Asked, made: _Made, digest: str) -> TrainingAccount:
    """All that is told of what was made."""
    target, language = asked.training_set.recipe.target, asked.telling.language
    name = asked.registry.model_name(target.name)
    return replace(
        account_of(name, digest, target, made.trained_on, made.judged, made.fitted),
        trials=made.fitted.model.trials_,
        code=code(),
        segments=judged_segments(made.judged.rows, made.judged.p, asked.telling.segments),
        background=made.background,
        words=feature_words(asked.training_set, language),
        language=language,
    )


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
