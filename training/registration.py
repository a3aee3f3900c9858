"""From a run to a version with an alias: the last step of training, which `leadscore register RUN` repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from data.contract import DataError
from features.training_set import TrainingSet
from features.wording import LANGUAGES, Language, number, signed
from training.artifact.loaded_model import load_model
from training.measuring.evaluation import Estimate, evaluate
from training.measuring.phrases import Phrases
from training.model.artifact_predictions import predict
from training.recipe.plan import TrainingPlan
from training.recipe.train import Judged, fit_baselines, judged_as, rows_of, split_by_time
from training.records import LANGUAGE
from training.registry.registered import Registered
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.run_folder import REPORT, SHOWN, RunFolder, note_registered
from training.report.published import named_report, publish_report

SIMPLE = "logistic regression"
"""The baseline that no champion may be surely worse than."""
t = Phrases(Path(__file__).with_suffix(".toml"))
Told = Mapping[Language, str]


@dataclass(frozen=True)
class Decision:
    """Which alias a run gets and why. measured: what was compared, by names that MLflow takes for metrics."""

    alias: str
    told: Told
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why, as registry and commands have it."""
        return self.told["en"]


@dataclass(frozen=True)
class Registration:
    """What a run was registered as. `told` says why it got its alias."""

    version: str
    alias: str
    told: Told

    @property
    def decision(self) -> str:
        """Why, as registry and commands have it."""
        return self.told["en"]


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
    publish_report(run, registry.workspace, registration.alias, _named(run, registration))
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
        now = _told("none") if champion is None else _told("version", version=champion.version)
        base = run.about.base or ""
        return Decision(CHALLENGER, {code: t("replaced", code, base=base, now=now[code]) for code in LANGUAGES})
    return Decision(CHAMPION, dict.fromkeys(LANGUAGES, run.about.reason))


def choose_alias(registry: Registry, name: str, judged: Judged) -> Decision:
    """Which alias a new model gets: the first good one is champion, a later one unless it is worse on the slice.

    One that is surely worse than its own logistic regression never is.
    """
    champion, base = judged.evaluation.judgements[0], judged.evaluation.judgements[1]
    loss = champion.metrics["log_loss"].value or 0.0
    if base.difference.low is None or base.difference.low <= 0:
        return Decision(CHALLENGER, _told_loss("not_better", loss))
    simple = next(other for other in judged.evaluation.judgements if other.name == SIMPLE)
    if simple.difference.high is not None and simple.difference.high < 0:
        return Decision(CHALLENGER, _told_loss("worse_than_simple", loss))
    rival = registry.find(name)
    if rival is None:
        return Decision(CHAMPION, _told_loss("first", loss))
    return compare_with_champion(rival, judged)


def stand_in(registry: Registry, name: str) -> Decision:
    """Which alias a model with a prior gets: too few have converted to prove anything, so the first one serves.

    It never takes the place of a model that is there already.
    """
    if registry.find(name) is not None:
        return Decision(CHALLENGER, _told("prior_waits"))
    return Decision(CHAMPION, _told("prior_serves"))


def compare_with_champion(rival: Registered, judged: Judged) -> Decision:
    """Compares with the champion in place: its judge, on the rows of the slice that it has not learnt from."""
    model = rival.load_judge()
    if set(model.features) - set(judged.rows.features.column_names):
        return Decision(CHALLENGER, _told("lacks", version=rival.version))
    rows = judged.rows
    fresh = rows.as_of >= model.manifest.trained_on.to_us
    if not fresh.any():
        return Decision(CHALLENGER, _told("has_seen", version=rival.version))
    rows = rows.of(fresh)
    p = predict(model, rows)
    difference = evaluate(rows.y, rows.weight, rows.lead, {"new": judged.p[fresh], "old": p}).judgements[1].difference
    if difference.value is None or difference.low is None or difference.high is None:
        return Decision(CHALLENGER, _told("too_few", moments=str(len(rows)), version=rival.version))
    # Worse only where the whole interval says so; on a tie the fresher model serves.
    measured = {"gain": difference.value, "gain_low": difference.low, "gain_high": difference.high}
    named = {f"against_version.{key}": value for key, value in measured.items()}
    return Decision(CHALLENGER if difference.high < 0 else CHAMPION, _told_difference(rival.version, difference), named)


def _registered_before(registry: Registry, run: RunFolder, logged: str | None) -> Registration | None:
    """What there is where exactly this model was trained before."""
    name = registry.model_name(run.about.target)
    for alias in (CHAMPION, CHALLENGER) if run.about.base is None else ():
        same = registry.find(name, alias)
        if same is not None and same.digest == run.about.model:
            if logged is not None:
                registry.experiment(name).note_same(logged, same.version)
            return Registration(same.version, alias, _told("same"))
    return None


def _register(registry: Registry, run: RunFolder, decide: Callable[[], Decision], logged: str | None) -> Registration:
    name, decision = registry.model_name(run.about.target), _servable(run, decide())
    version = registry.publish(name, run, logged, decision.measured)
    registry.alias(name, version, decision.alias, decision.reason)
    registration = Registration(version, decision.alias, decision.told)
    with named_report(run, _named(run, registration)) as folder:
        registry.add_files(name, version, folder, REPORT)
    return registration


def _servable(run: RunFolder, decision: Decision) -> Decision:
    """The decision, unless the model looks at what no server computes: it is judged, and never serves."""
    own = load_model(run.model).manifest.own_features
    if not own:
        return decision
    names = ", ".join(own)
    told = {code: t("own", code, names=names, reason=decision.told[code]) for code in LANGUAGES}
    return replace(decision, alias=CHALLENGER, told=told)


def _named(run: RunFolder, registration: Registration) -> str:
    """Whose a report is, for its head, in the report's language."""
    code: Language = "de" if run.about.tags.get(LANGUAGE) == "de" else "en"
    return t("named", code, version=registration.version, alias=registration.alias, reason=registration.told[code])


def _told(key: str, **values: str) -> Told:
    return {code: t(key, code, **values) for code in LANGUAGES}


def _told_loss(key: str, loss: float) -> Told:
    return {code: t(key, code, loss=number(loss, 4, code)) for code in LANGUAGES}


def _told_difference(version: str, difference: Estimate) -> Told:
    ends = {name: value or 0.0 for name, value in asdict(difference).items()}
    return {
        code: t("compared", code, version=version, **{name: signed(end, 4, code) for name, end in ends.items()})
        for code in LANGUAGES
    }


def _judged_again(registry: Registry, run: RunFolder, made: TrainingSet, plan: TrainingPlan) -> Decision:
    """The decision of a training, from its judge and the newest slice as it was."""
    name, blind = registry.model_name(run.about.target), load_model(run.judge)
    learnt = blind.manifest.trained_on
    if (learnt.training_set, learnt.plan) != (made.digest, plan.digest):
        return Decision(CHALLENGER, _told("has_changed"))
    if load_model(run.model).manifest.trained_on.small is not None:
        return stand_in(registry, name)
    split = split_by_time(rows_of(made, plan), plan)
    return choose_alias(
        registry, name, judged_as(split, predict(blind, split.judged), fit_baselines(split, plan), plan.metrics)
    )
