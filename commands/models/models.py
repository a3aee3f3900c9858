"""Commands about models: train, judge again, promote, roll back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.histories.audit import Allow, refuse_leaks
from commands.histories.histories import build
from commands.models.monitor import Anyway, refuse_red
from commands.options import VAR, AsJson, AsOf, Cluster, Config, FromStore, Log, Quiet, StoreUrl, Var, workspace_of
from commands.store.store import take_in
from commands.store.trail import note
from console import Screen, plain

if TYPE_CHECKING:
    from data.typed_json import JsonObject
    from training.measuring.evaluation import BesideTruth, Evaluation
    from training.report.account import TrainingAccount
    from workspace import Workspace


def train(
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    cluster: Cluster = None,
    store: FromStore = None,
    allow: Allow = None,
    as_of: AsOf = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train, judge on the newest slice, register in MLflow. All targets of a chain, where one is set.

    With --as-of: what would have been trained then, with what was known then.
    """
    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    names = workspace.settings.chained
    with workspace.writing("leadscore train"):
        for name in names:
            workspace.aimed_at(name).check_ready()
        if store is not None:
            take_in(screen, store, workspace.log_path)
        results = [_train(screen, workspace.aimed_at(name), cluster, allow or [], as_of) for name in names]
    screen.result(results[0] if len(results) == 1 else {"chain": results})


def _train(
    screen: Screen, workspace: Workspace, cluster: str | None, allow: list[str], as_of: str | None
) -> JsonObject:
    """Trains for the workspace's target; what came of it."""
    from training.pipeline import SHARES, train_and_register
    from training.recipe.tuning import Budget
    from training.run_report import Telling

    settings, recipe = workspace.settings, workspace.settings.training
    made = build(screen, workspace, cluster, as_of)
    watermarks = workspace.event_log().watermarks
    for line in watermarks.lags_in_words():
        screen.tell(f"warning: {line}")
    refuse_leaks(screen, workspace, allow)
    plan, settings_dump = settings.training_plan, settings.model_dump(mode="json")
    allowed = {*allow, *settings.audit.allow}
    budget = Budget(recipe.tuning_trials, recipe.tuning_minutes)
    telling = Telling(settings.report_language, watermarks.observed, recipe.segments)
    with screen.shares(SHARES) as say:
        outcome = train_and_register(made, plan, workspace.registry, settings_dump, budget, say, allowed, telling)
    _tell_account(screen, outcome.account)
    screen.tell(f"{outcome.name} version {outcome.version} is {outcome.alias}: {outcome.decision}")
    screen.tell(f"report {outcome.report}\nMLflow {workspace.registry.address}")
    return {
        "name": outcome.name,
        "version": outcome.version,
        "alias": outcome.alias,
        "decision": outcome.decision,
        "digest": outcome.digest,
        "report": str(outcome.report),
        "evaluation": outcome.account.evaluation.to_dict(),
        "thresholds": [threshold.to_dict() for threshold in outcome.account.thresholds],
    }


def rebuild(
    version: Annotated[str, typer.Argument(help="number of a registered version")],
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a version's training set again, and say what differs."""
    from features.numbers_in_words import number

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    with workspace.writing("leadscore rebuild"), screen.progress("features") as step:
        rebuilt = workspace.rebuild(version, step)
    made = rebuilt.made
    screen.tell(f"version {version}: {number(made.moments)} moments in {made.path}")
    if rebuilt.is_same:
        screen.tell("the same training set, byte for byte")
    else:
        screen.tell(f"NOT the same: digest {made.digest[:12]} instead of {rebuilt.digest[:12]}")
        screen.tell(f"the event log {'has changed since' if rebuilt.log_has_changed else 'is the same'}")
    for name, (then, now) in rebuilt.software.items():
        screen.tell(f"made with {name} {then}, here is {now}")
    if rebuilt.rules:
        screen.tell(f"the settings of now would make it otherwise: {', '.join(rebuilt.rules)}")
    facts = {name: getattr(rebuilt, name) for name in ("version", "is_same", "log_has_changed", "rules", "software")}
    screen.result({**facts, "digest": made.digest, "moments": made.moments, "path": made.path})


def evaluate(
    config: Config = None,
    var: Var = VAR,
    truth: Annotated[Path | None, typer.Option(help="truth.parquet of a simulated funnel")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Judge the champion's recipe on the newest slice again. With --truth, beside the best possible."""
    from training.updating.review import STAGES, beside_truth, review

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    settings = workspace.settings
    with workspace.reading(), screen.stages(STAGES) as say:
        judged = review(workspace.registry, settings.target, settings.training_plan, say)
    _tell_judged(screen, judged.evaluation, judged.by_age)
    result = judged.evaluation.to_dict()
    if truth is not None:
        comparison = beside_truth(judged.rows, judged.p, truth, settings.chosen_target.horizon_days)
        result["truth"] = tell_truth(screen, comparison)
    screen.result(result)


def register(
    run: Annotated[str, typer.Argument(help="id of a run, or its beginning, as `train` and `info` tell it")],
    config: Config = None,
    var: Var = VAR,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Register a run whose registering failed. As `train` would have."""

    from features.training_set import TrainingSet
    from training.registration import register_again

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    with workspace.writing("leadscore register"):
        there = workspace.find_run(run)
        made = TrainingSet.open(workspace.training_set_path)
        done = register_again(workspace.registry, there, made, workspace.settings.training_plan)
    screen.tell(f"{workspace.model_name} version {done.version} is {done.alias}: {done.decision}")
    facts = {"version": done.version, "alias": done.alias, "decision": done.decision}
    screen.result({"name": workspace.model_name, "run": there.id, **facts})


def promote(
    version: Annotated[str, typer.Argument(help="number of a registered version")],
    reason: Annotated[str, typer.Option(help="why; noted in the registry")] = "promoted by hand",
    anyway: Anyway = False,
    config: Config = None,
    var: Var = VAR,
    store: StoreUrl = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion. Servers take it up within seconds."""
    from serving.champion.manual_promotion import promote

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    refuse_red(var, store, workspace.settings.target, anyway)
    with workspace.writing("leadscore promote"):
        before = promote(workspace.registry, workspace.model_name, version, reason)
    note(var, store, f"promote {workspace.model_name} version {version}")
    screen.tell(f"version {version} of {workspace.model_name} is champion" + (f", after {before}" if before else ""))
    screen.result({"name": workspace.model_name, "version": version, "before": before})


def rollback(
    reason: Annotated[str, typer.Option(help="why; noted in the registry")] = "rolled back by hand",
    config: Config = None,
    var: Var = VAR,
    store: StoreUrl = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make the former champion champion again."""
    from serving.champion.manual_promotion import rollback

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    with workspace.writing("leadscore rollback"):
        before, now = rollback(workspace.registry, workspace.model_name, reason)
    note(var, store, f"roll back {workspace.model_name} to version {now}")
    screen.tell(f"version {now} of {workspace.model_name} is champion again, instead of {before}")
    screen.result({"name": workspace.model_name, "version": now, "before": before})


def tell_truth(screen: Screen, comparison: BesideTruth) -> JsonObject:
    """Shows a model beside the true probabilities of a simulated funnel; returns the same as plain values."""
    from features.numbers_in_words import number

    rows = [
        ["log-loss of the champion", number(comparison.log_loss, 4)],
        ["log-loss of the true probability", number(comparison.best_log_loss, 4)],
        ["mean Kullback-Leibler divergence", number(comparison.divergence, 4)],
        ["calibration slope, on labels", plain(comparison.slope)],
        ["calibration slope, on true probabilities", plain(comparison.true_slope)],
    ]
    screen.table("Beside the best possible: true probabilities, newest slice", ["", "value"], rows)
    return comparison.to_dict()


def _tell_account(screen: Screen, account: TrainingAccount) -> None:
    from training.thresholds.promise_text import sentence

    for trial in account.trials:
        screen.tell(trial.in_words())
    _tell_judged(screen, account.evaluation, account.by_age)
    for threshold in account.thresholds:
        screen.tell(sentence(threshold, account.target.horizon_days))


def _tell_judged(screen: Screen, evaluation: Evaluation, by_age: Mapping[str, Evaluation]) -> None:
    from features.numbers_in_words import number
    from training.measuring.tables import tables

    screen.tell(
        f"newest slice: {number(evaluation.rows)} moments of {number(evaluation.leads)} leads, "
        f"{number(evaluation.positives)} converted"
    )
    for table in tables(evaluation, by_age):
        screen.table(table.title, table.head, table.rows)
