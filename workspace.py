"""The workspace: where one installation keeps its event log, training sets, models and reports, and what is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from data.contract import DataError, UsageError
from data.log.eventlog import EventLog
from data.log.manifest import NAME as MANIFEST
from features.cluster import on_cluster
from features.compiler import compile_plan
from features.numbers_in_words import number
from features.own_features import check_names
from features.recipe import Recipe
from features.training_set import Progress, TrainingSet, build
from settings import Settings
from settings_file import read_settings, settings_path
from training.audit.findings import Finding
from training.audit.log_audit import audit
from training.backtesting.origins import LogTimeline
from training.facts import day
from training.measuring.evaluation import BesideTruth
from training.rebuilding import Rebuilt, rebuild
from training.registry.preflight import check_room
from training.registry.registered import Registered
from training.registry.registry import Registry
from training.registry.run_folder import SHOWN, RunFolder, find_run, sweep, unregistered
from training.registry.workspace_lock import reading, writing
from training.report.published import report_path
from training.samples.frame import Frame, frame_of
from training.samples.sample import read_sample
from training.updating.review import beside_truth, predictions

CHECKOUT = Path(__file__).parent
REGISTRY_S = 5.0
"""How long `facts` waits for a registry at most."""


@dataclass(frozen=True)
class Workspace:
    """A folder and the settings that its commands follow; `log_path` may lie elsewhere."""

    root: Path
    log_path: Path
    settings: Settings

    @staticmethod
    def open(root: Path, config: Path | None = None, log: Path | None = None) -> Workspace:
        """The workspace of a folder; `config` defaults to leadscore.toml where there is one, `log` to ROOT/log.

        Makes nothing and needs nothing to be there yet. Raises UsageError for settings that cannot be followed.
        """
        return Workspace(root, log or root / "log", read_settings(settings_path(config)))

    @staticmethod
    def here() -> Workspace:
        """The workspace of a notebook, from whatever folder it is opened: the nearest `var` that has an event log, in
        the current folder or above it, with the leadscore.toml beside it.

        LEADSCORE_VAR names another folder, LEADSCORE_CONFIG other settings. Raises DataError where there is none.
        """
        named, config = (os.environ.get(name) for name in ("LEADSCORE_VAR", "LEADSCORE_CONFIG"))
        folders = [folder / "var" for folder in (Path.cwd(), *Path.cwd().parents, CHECKOUT)]
        root = (
            Path(named) if named else next((folder for folder in folders if (folder / "log" / MANIFEST).exists()), None)
        )
        if root is None:
            raise DataError(
                f"no workspace in {Path.cwd()} or above it: run `make demo` in the checkout, or set LEADSCORE_VAR"
            )
        beside = root.absolute().parent / "leadscore.toml"
        return Workspace.open(root, Path(config) if config else beside if beside.exists() else None)

    def aimed_at(self, target: str) -> Workspace:
        """The same workspace, whose commands work on another target of the settings."""
        return replace(self, settings=self.settings.model_copy(update={"target": target}))

    @property
    def model_name(self) -> str:
        """The name of the registered model."""
        return self.settings.model_name

    @property
    def training_set_path(self) -> Path:
        """The folder of the training set, one for each target."""
        return self.root / "training_set" / self.settings.target

    @property
    def registry(self) -> Registry:
        """Where models are registered."""
        return Registry(self.root, self.settings.namespace)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Nobody else changes the workspace until this ends. Raises Busy: who is at work; UsageError for its path."""
        self.registry  # noqa: B018 -- a path that cannot be followed is refused before a lock is left in it
        with writing(self.root, what):
            sweep(self.root)
            yield

    def reading(self) -> AbstractContextManager[None]:
        """Nobody changes the workspace until this ends. Raises Busy."""
        return reading(self.root)

    def check_ready(self) -> None:
        """Raises DataError when a model could not be registered in the end: nothing is computed for that."""
        check_room(self.root)
        self.registry.prepare(self.model_name)

    def find_run(self, name: str) -> RunFolder:
        """The run of the target whose id begins with `name`. Raises UsageError for none, DataError for damage."""
        return find_run(self.root, self.settings.target, name)

    def event_log(self) -> EventLog:
        """The event log. Raises DataError when nothing was ingested yet."""
        return EventLog.open(self.log_path)

    def recipe(self, log: EventLog) -> Recipe:
        """What the training set of a log holds, by the settings.

        It ends where the first of the sources that tell outcomes does: from its silence nothing is concluded.
        """
        target = self.settings.chosen_target
        until, known_until = (end(target.turning) + 1 for end in (log.complete_until_us, log.known_until_us))
        return Recipe(
            log.digest,
            until,
            log.vocabulary,
            self.settings.catalogue(log),
            target,
            self.settings.moment_policy,
            log.words,
            log.bots,
            log.profile_columns,
            log.watermarks.lagging(),
            log.watermarks.unobserved(),
            known_until if known_until > until else 0,
            self.settings.own_features,
        )

    def build(
        self, cluster: str | None = None, progress: Progress = lambda done, of: None, as_of: int | None = None
    ) -> TrainingSet:
        """The training set, made or brought up to date; `cluster` is the address of a Dask scheduler.

        as_of: µs UTC, for what would have been made then; None for now. Raises UsageError for a time at which nothing
        was known, DataError when the log has changed meanwhile: its rows would be of several logs under one digest.
        """
        log = self.event_log()
        recipe = self.recipe(log) if as_of is None else self._recipe_at(log, as_of)
        # What cannot be computed is refused before anything changes.
        plan = compile_plan(recipe.catalogue, recipe.vocabulary)
        check_names(recipe.own, [definition.name for definition in plan.definitions])
        with on_cluster(cluster):
            made = build(log, recipe, self.training_set_path, self.settings.jobs, progress)
        if self.event_log().digest != recipe.log_digest:
            shutil.rmtree(self.training_set_path)
            raise DataError(f"{log.path} has changed while the training set was made; run it again")
        return made

    def _recipe_at(self, log: EventLog, as_of: int) -> Recipe:
        recipe = self.recipe(log)
        if not log.observed_from_us < as_of <= recipe.observed_until:
            first, last = day(log.observed_from_us), day(recipe.observed_until - 1)
            raise UsageError(f"--as-of {day(as_of)}: outcomes are known from {first} to {last}; take a time between")
        return recipe.ending(as_of)

    def rebuild(self, version: str, progress: Progress = lambda done, of: None) -> Rebuilt:
        """The training set of a version, made again beside the current one. Raises DataError where there is no such."""
        log, registered = self.event_log(), self.registry.get(self.model_name, version)
        if registered is None:
            raise DataError(f"there is no version {version} of {self.model_name}; `mlflow ui` lists them")
        folder = self.root / "training_set" / "rebuilt"
        return rebuild(self.registry, registered, log, self.recipe(log), folder, self.settings.jobs, progress)

    def frame(self) -> Frame:
        """The training set as pandas has it: X, y, weights, leads and times.

        Raises DataError when there is none yet: `leadscore features` makes it.
        """
        return frame_of(TrainingSet.open(self.training_set_path))

    def timeline(self, made: TrainingSet) -> LogTimeline:
        """The event log to go back in; `made` is its training set of now. Raises DataError for an empty one."""
        log = self.event_log()
        return LogTimeline(log, self.recipe(log), read_sample(made), self.backtest_path / "scratch", self.settings.jobs)

    @property
    def report_path(self) -> Path:
        """The folder of the target's report and model card."""
        return report_path(self.root, self.settings.target)

    @property
    def backtest_path(self) -> Path:
        """The folder of backtests of the target."""
        return self.root / "backtest" / self.settings.target

    def audit(self, quick: bool = False, progress: Progress = lambda done, of: None) -> list[Finding]:
        """What the leakage audit finds in the event log and its training set.

        Raises DataError when there is none, UsageError for a stage that the log does not know.
        """
        log = self.event_log()
        stages = self.settings.stages(log)
        return audit(log, TrainingSet.open(self.training_set_path), stages, quick, progress)

    def champion(self) -> Registered:
        """The champion. Raises DataError when nothing has been trained yet."""
        return self.registry.champion(self.model_name)

    def champion_is_fresh(self) -> bool:
        """Whether the champion was trained on the training set that is there now, by the settings as they are."""
        champion = self.registry.find(self.model_name)
        if champion is None:
            return False
        trained_on = champion.load().manifest.trained_on
        made = TrainingSet.open(self.training_set_path)
        return (trained_on.training_set, trained_on.plan) == (made.digest, self.settings.training_plan.digest)

    def beside_truth(self, truth: Path) -> BesideTruth:
        """The champion's judge beside the true probabilities of a simulated funnel. Raises DataError."""
        split, p = predictions(self.registry, self.settings.target, self.settings.training_plan)
        return beside_truth(split.judged, p, truth, self.settings.chosen_target.horizon_days)

    def facts(self) -> dict[str, str]:
        """What is there, in words; never makes anything."""
        facts = {"workspace": str(self.root), "target": self.settings.target, "MLflow": self.registry.address}
        if (self.log_path / "log.json").exists():
            log = self.event_log()
            period = f"{day(log.observed_from_us)} to {day(log.observed_until_us)}"
            facts["event log"] = (
                f"{number(log.n_events)} events of {number(log.n_leads)} leads, {period}, digest {log.digest[:12]}"
            )
            facts |= {
                f"source {name or '(none)'}": f"until {day(until)}"
                for name, until in log.watermarks.by_source().items()
            }
            facts |= {f"warning {place}": line for place, line in enumerate(log.watermarks.lags_in_words(), start=1)}
        if (self.training_set_path / "training_set.json").exists():
            made = TrainingSet.open(self.training_set_path)
            facts["training set"] = (
                f"{number(made.moments)} moments, {number(made.positives)} converted, digest {made.digest[:12]}"
            )
        if (self.root / "mlflow.db").exists() or os.environ.get("MLFLOW_TRACKING_URI"):
            facts["champion"] = self._champion_fact()
        if runs := unregistered(self.root, self.settings.target):
            names = ", ".join(run[:SHOWN] for run in runs)
            facts["not registered"] = f"runs {names}; `leadscore register RUN` finishes one"
        return facts

    def counts(self) -> dict[str, int]:
        """The numbers of what is there."""
        counts = dict[str, int]()
        if (self.log_path / "log.json").exists():
            log = self.event_log()
            counts |= {"events": log.n_events, "leads": log.n_leads, "observed_until_us": log.observed_until_us}
            counts |= {f"source {name} until_us": until for name, until in log.watermarks.by_source().items()}
        if (self.training_set_path / "training_set.json").exists():
            made = TrainingSet.open(self.training_set_path)
            counts |= {"moments": made.moments, "mature": made.mature, "converted": made.positives}
        return counts

    def _champion_fact(self) -> str:
        """What is registered, in words, or that the registry does not say so in time."""
        try:
            champion = self.registry.find_within(REGISTRY_S, self.model_name)
        except DataError as error:
            return f"unknown: {error}"
        return f"version {champion.version}, run {champion.run_id}" if champion else "none"
