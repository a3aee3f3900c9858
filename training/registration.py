"""From a run to a version with an alias: the last step of training, which `leadscore register RUN` repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from data.contract import DataError
from features.numbers_in_words import LANGUAGES, Language
from features.training_set import TrainingSet
from training.artifact.loaded_model import load_model
from training.champion_choice import ByLanguage, Decision, choose_alias, stand_in, succeeds
from training.measuring.phrases import Phrases
from training.model.artifact_predictions import predict
from training.recipe.plan import TrainingPlan
from training.recipe.train import fit_baselines, judged_as, rows_of, split_by_time
from training.records import LANGUAGE
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.run_folder import REPORT, SHOWN, RunFolder, note_registered
from training.report.published import named_report, publish_report

t = Phrases(Path(__file__).with_suffix(".toml"))


@dataclass(frozen=True)
class Registration:
    """What a run was registered as. `told` says why it got its alias."""

    version: str
    alias: str
    told: ByLanguage

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


def _registered_before(registry: Registry, run: RunFolder, logged: str | None) -> Registration | None:
    """What there is where exactly this model was trained before."""
    name = registry.model_name(run.about.target)
    for alias in (CHAMPION, CHALLENGER) if run.about.base is None else ():
        same = registry.find(name, alias)
        if same is not None and same.digest == run.about.model:
            if logged is not None:
                registry.experiment(name).note_same(logged, same.version)
            return Registration(same.version, alias, t.by_language("same"))
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


def _judged_again(registry: Registry, run: RunFolder, made: TrainingSet, plan: TrainingPlan) -> Decision:
    """The decision of a training, from its judge and the newest slice as it was."""
    name, blind = registry.model_name(run.about.target), load_model(run.judge)
    learnt = blind.manifest.trained_on
    if (learnt.training_set, learnt.plan) != (made.digest, plan.digest):
        return Decision(CHALLENGER, t.by_language("has_changed"))
    if load_model(run.model).manifest.trained_on.small is not None:
        return stand_in(registry, name)
    split = split_by_time(rows_of(made, plan), plan)
    return choose_alias(
        registry, name, judged_as(split, predict(blind, split.judged), fit_baselines(split, plan), plan.metrics)
    )
