"""From a run to a version with an alias: the last step of training, which `leadscore register RUN` repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from data.contract import DataError
from features.training_set import TrainingSet
from features.wording import number, signed
from training.artifact.loaded_model import load_model
from training.measuring.evaluation import evaluate
from training.model.artifact_predictions import predict
from training.recipe.plan import TrainingPlan
from training.recipe.train import Judged, fit_baselines, judged_as, rows_of, split_by_time
from training.registry.registered import Registered
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.run_folder import REPORT, SHOWN, RunFolder, note_registered
from training.report.published import named_report, publish_report

SIMPLE = "logistic regression"
"""The baseline that no champion may be surely worse than."""


@dataclass(frozen=True)
class Decision:
    """Which alias a run gets and why. measured: what was compared, by names that MLflow takes for metrics."""

    alias: str
    reason: str
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Registration:
    """What a run was registered as. `decision` says why it got its alias."""

    version: str
    alias: str
    decision: str


def register(
    registry: Registry, run: RunFolder, decide: Callable[[], Decision], logged: str | None = None
) -> Registration:
    """Makes a version of a run, with the alias and reason that `decide` gives. Raises DataError: the run is kept.

    logged: MLflow's run that has been open while it was trained; without it one is made.
    """
    try:
        registration = _registered_before(registry, run, logged) or _register(registry, run, decide, logged)
    except (DataError, OSError) as error:
        remedy = f"what was made is kept as a run: `leadscore register {run.id[:SHOWN]}` registers it"
        raise DataError(f"{error}; {remedy}") from None
    publish_report(run, registry.workspace, registration.alias, _named(registration))
    note_registered(run, registration.version)
    return registration


def register_again(registry: Registry, run: RunFolder, training_set: TrainingSet, plan: TrainingPlan) -> Registration:
    """Registers a run that was made before, judged against the champion that is in place now. Raises DataError."""
    if run.about.base is not None:
        return register(registry, run, lambda: succeeds(registry, run))
    return register(registry, run, lambda: _judged_again(registry, run, training_set, plan))


def succeeds(registry: Registry, run: RunFolder) -> Decision:
    """The alias of a version that was made from another one: champion, as long as that one is."""
    champion = registry.find(registry.model_name(run.about.target))
    if champion is None or champion.version != run.about.base:
        now = "none" if champion is None else f"version {champion.version}"
        reason = f"it was made from version {run.about.base}, the champion is {now}; promote it by hand"
        return Decision(CHALLENGER, reason)
    return Decision(CHAMPION, run.about.reason)


def choose_alias(registry: Registry, name: str, judged: Judged) -> Decision:
    """Which alias a new model gets: the first good one is champion, a later one unless it is worse on the slice.

    One that is surely worse than its own logistic regression never is.
    """
    champion, base = judged.evaluation.judgements[0], judged.evaluation.judgements[1]
    loss = champion.metrics["log_loss"].value or 0.0
    if base.difference.low is None or base.difference.low <= 0:
        reason = f"log-loss {number(loss, 4)} is not surely better than the base rate's on the newest slice"
        return Decision(CHALLENGER, reason)
    simple = next(other for other in judged.evaluation.judgements if other.name == SIMPLE)
    if simple.difference.high is not None and simple.difference.high < 0:
        reason = f"log-loss {number(loss, 4)} is surely worse than that of {SIMPLE} on the newest slice"
        return Decision(CHALLENGER, reason)
    rival = registry.find(name)
    if rival is None:
        return Decision(CHAMPION, f"the first model, better than the base rate (log-loss {number(loss, 4)})")
    return compare_with_champion(rival, judged)


def stand_in(registry: Registry, name: str) -> Decision:
    """Which alias a model with a prior gets: too few have converted to prove anything, so the first one serves.

    It never takes the place of a model that is there already.
    """
    if registry.find(name) is not None:
        reason = "a model with a prior does not take the place of the one that serves; promote it by hand"
        return Decision(CHALLENGER, reason)
    return Decision(CHAMPION, "stands in until enough leads have converted for a model that is judged by them")


def compare_with_champion(rival: Registered, judged: Judged) -> Decision:
    """Compares with the champion in place: its judge, on the rows of the slice that it has not learnt from."""
    model = rival.load_judge()
    if set(model.features) - set(judged.rows.features.column_names):
        return Decision(
            CHALLENGER,
            f"version {rival.version} reads features that this training set lacks, so the two cannot be compared; "
            "point the alias champion at the new version by hand if it shall serve",
        )
    rows = judged.rows
    fresh = rows.as_of >= model.manifest.trained_on.to_us
    if not fresh.any():
        reason = f"version {rival.version} has learnt from all of the newest slice, it cannot be judged there"
        return Decision(CHALLENGER, reason)
    rows = rows.of(fresh)
    p = predict(model, rows)
    difference = evaluate(rows.y, rows.weight, rows.lead, {"new": judged.p[fresh], "old": p}).judgements[1].difference
    if difference.value is None or difference.low is None or difference.high is None:
        return Decision(CHALLENGER, f"{len(rows)} moments are too few to compare it with version {rival.version}")
    text = (
        f"log-loss of version {rival.version} minus the new one's on the same moments: "
        f"{signed(difference.value, 4)} ({signed(difference.low, 4)} to {signed(difference.high, 4)})"
    )
    # Worse only where the whole interval says so; on a tie the fresher model serves.
    measured = {"gain": difference.value, "gain_low": difference.low, "gain_high": difference.high}
    named = {f"against_version.{key}": value for key, value in measured.items()}
    return Decision(CHALLENGER if difference.high < 0 else CHAMPION, text, named)


def _registered_before(registry: Registry, run: RunFolder, logged: str | None) -> Registration | None:
    """What there is where exactly this model was trained before."""
    name = registry.model_name(run.about.target)
    for alias in (CHAMPION, CHALLENGER) if run.about.base is None else ():
        same = registry.find(name, alias)
        if same is not None and same.digest == run.about.model:
            if logged is not None:
                registry.experiment(name).note_same(logged, same.version)
            return Registration(same.version, alias, "the same model, byte for byte, was registered before and is kept")
    return None


def _register(registry: Registry, run: RunFolder, decide: Callable[[], Decision], logged: str | None) -> Registration:
    name, decision = registry.model_name(run.about.target), _servable(run, decide())
    version = registry.publish(name, run, logged, decision.measured)
    registry.alias(name, version, decision.alias, decision.reason)
    registration = Registration(version, decision.alias, decision.reason)
    with named_report(run, _named(registration)) as folder:
        registry.add_files(name, version, folder, REPORT)
    return registration


def _servable(run: RunFolder, decision: Decision) -> Decision:
    """The decision, unless the model looks at what no server computes: it is judged, and never serves."""
    own = load_model(run.model).manifest.own_features
    if not own:
        return decision
    reason = f"it looks at own features ({', '.join(own)}), which no server computes; {decision.reason}"
    return replace(decision, alias=CHALLENGER, reason=reason)


def _named(registration: Registration) -> str:
    """Whose a report is, for its head."""
    return f"Version {registration.version}, {registration.alias}: {registration.decision}."


def _judged_again(registry: Registry, run: RunFolder, made: TrainingSet, plan: TrainingPlan) -> Decision:
    """The decision of a training, from its judge and the newest slice as it was."""
    name, blind = registry.model_name(run.about.target), load_model(run.judge)
    learnt = blind.manifest.trained_on
    if (learnt.training_set, learnt.plan) != (made.digest, plan.digest):
        return Decision(CHALLENGER, "training set or settings have changed since it was trained; promote it by hand")
    if load_model(run.model).manifest.trained_on.small is not None:
        return stand_in(registry, name)
    split = split_by_time(rows_of(made, plan), plan)
    return choose_alias(
        registry, name, judged_as(split, predict(blind, split.judged), fit_baselines(split), plan.metrics)
    )
