"""What leadscore.toml says as a whole, and the targets, catalogue and plan of training that follow from it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PrivateAttr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from data.contract import UsageError
from data.log.eventlog import EventLog
from data.own_functions import FORM, OwnFunction, own_function
from data.vocabulary import NAMING
from features.catalogue import campaign_catalogue, company_catalogue, default_catalogue, from_json
from features.kinds import Definition
from features.labels import Target
from features.moments import MomentPolicy
from settings_sections import (
    CONVERSION,
    REPEAT,
    AuditSection,
    CostsSection,
    FeaturesSection,
    MomentsSection,
    RetentionSection,
    SalesSection,
    TargetSection,
    ThresholdsSection,
    TrainingSection,
)
from training.registry.ownership import model_name

if TYPE_CHECKING:
    from training.model.members import Hyperparameters
    from training.recipe.plan import TrainingPlan

COMPARED_DAYS = 92
"""So long after its outcome is certain a score is counted, with its month and with the newest weeks."""


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    target: str = Field(default="conversion", description="the target that the commands work on, one of [targets]")
    chain: tuple[str, ...] = Field(default=(), description="targets in order, each a step towards the next one")
    personal_ids: bool = Field(
        False, description="whether ids that services send may be e-mail addresses or telephone numbers"
    )
    time_zone: str = Field(default="UTC", description="in which pages tell days and times, e.g. Europe/Berlin")
    report_language: Literal["en", "de"] = Field("en", description="of reports and model cards: en or de")
    namespace: str = Field(
        default="",
        pattern="^([A-Za-z0-9_]{1,40})?$",
        description="part of the models' names, for workspaces that share a tracking server",
    )
    jobs: int = Field(default=2, ge=1, le=256, description="buckets computed at the same time, threads of training")
    targets: dict[str, TargetSection] = {"conversion": CONVERSION, "repeat_purchase": REPEAT}
    moments: MomentsSection = MomentsSection()
    features: FeaturesSection = FeaturesSection()
    training: TrainingSection = TrainingSection()
    audit: AuditSection = AuditSection()
    thresholds: ThresholdsSection = ThresholdsSection()
    retention: RetentionSection = RetentionSection()
    sales: SalesSection = SalesSection()
    costs: CostsSection = CostsSection()
    _folder: Path = PrivateAttr(Path())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the file: what decides a model must stand where it can be read again, not in an environment."""
        return (init_settings,)

    @field_validator("time_zone")
    @classmethod
    def is_a_zone(cls, name: str) -> str:
        """A zone of the IANA database."""
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone; name one such as Europe/Berlin, America/New_York or UTC") from None
        return name

    @field_validator("targets")
    @classmethod
    def names_folders(cls, targets: dict[str, TargetSection]) -> dict[str, TargetSection]:
        """A target's name is that of its folders and of its registered model."""
        for name in targets:
            if not re.fullmatch(r"\w[\w .,()&+-]{0,59}", name) or name != name.strip(" ."):
                raise ValueError(
                    f"{name!r} names folders and a model in MLflow: give it letters, digits, blanks and _-.,()&+ only, "
                    "at most 60, a letter or digit first"
                )
        return targets

    def lying_in(self, folder: Path) -> Settings:
        """The same settings, whose files of own functions are looked for there; without it in the current folder."""
        lying = self.model_copy()
        lying._folder = folder
        return lying

    @property
    def retention_days(self) -> dict[str, int]:
        """How many days things are kept, 0 for ever. Raises UsageError for scores that go before they are counted.

        A score is compared with what became of it, by `monitor` and month by month: until then it is needed.
        """
        days = {name.removesuffix("_days"): limit for name, limit in self.retention.model_dump().items()}
        targets = (Target(name, **section.model_dump()) for name, section in self.targets.items())
        fewest = max((target.window.certain_after_days for target in targets), default=0) + COMPARED_DAYS
        if 0 < days["scores"] < fewest:
            raise UsageError(
                f"retention.scores_days = {days['scores']} is too short: scores are compared with what comes; "
                f"give at least {fewest}, or 0 to keep them"
            )
        return days

    @property
    def chosen_target(self) -> Target:
        """The target that `target` names. Raises UsageError when there is none of that name."""
        if self.target not in self.targets:
            raise UsageError(f"target {self.target!r} is not among [targets]: {', '.join(self.targets)}")
        return Target(self.target, **self.targets[self.target].model_dump())

    @property
    def chained(self) -> tuple[str, ...]:
        """The targets of the chain, or the one target where there is none.

        In a chain whoever reaches a step has reached those before it: the events of each step count for those before
        it too, and all else is the same. Raises UsageError for one that is no such chain.
        """
        if not self.chain:
            return (self.target,)
        for name in (self.target, *self.chain):
            if name not in self.targets or name not in self.chain:
                raise UsageError(f"chain {list(self.chain)}: {name!r} must be in the chain and among [targets]")
        steps = [self.targets[name] for name in self.chain]
        for (name, step), (later, next_step) in pairwise(zip(self.chain, steps, strict=True)):
            if not set(step.events) > set(next_step.events):
                raise UsageError(
                    f"targets.{name}.events must hold those of {later} and more: it comes before it in chain"
                )
            if step.repeats or next_step.repeats or not _alike(step, next_step):
                raise UsageError(f"targets {name} and {later} in chain may differ in events alone, and must not repeat")
        return self.chain

    @property
    def model_name(self) -> str:
        """The name of the registered model for the target."""
        return model_name(self.target, self.namespace)

    @property
    def training_plan(self) -> TrainingPlan:
        """How to train, as the pipeline wants it."""
        # Imported late: a server reads settings too, and does without LightGBM's 100 MB.
        from training.recipe.plan import Promise, TrainingPlan

        training = self.training
        parameters: Hyperparameters = {
            "n_folds": training.folds,
            "learning_rate": training.learning_rate,
            "num_leaves": training.num_leaves,
            "min_leaf": training.min_leaf,
            "l2": training.l2,
            "max_rounds": training.max_rounds,
            "column_share": training.column_share,
            "random_state": training.seed,
            "n_jobs": self.jobs,
        }
        stages = (("MQL", self.thresholds.mql), ("SQL", self.thresholds.sql))
        promises = tuple(Promise(stage, **section.model_dump()) for stage, section in stages)
        return TrainingPlan(
            training.newest_share,
            training.fewest_converted,
            parameters,
            promises,
            training.model,
            training.twin,
            training.rates,
            training.newest_step,
            training.small,
            training.most_moments,
            training.since,
            self._own(training.weight) if FORM.fullmatch(training.weight) else training.weight,
            tuple(map(self._own, training.metrics)),
            self._own(training.tuning_metric) if training.tuning_metric else None,
        )

    def _own(self, name: str) -> OwnFunction:
        return own_function(name, self._folder)

    def catalogue(self, log: EventLog) -> list[Definition]:
        """The default catalogue for a log, without what `features.drop` names, with what `features.add` adds.

        Raises UsageError when there is nothing to drop by that name, and for a target that the log cannot have.
        """
        self._check_target(log.vocabulary.types)
        known = log.vocabulary, log.profile_columns, self.chosen_target.outcomes
        default = default_catalogue(*known)
        if self.features.companies == "yes" and log.has_accounts():
            default += company_catalogue(*known)
        if self.features.campaigns == "yes":
            default += campaign_catalogue([of for of in NAMING.values() if log.has_context(of)])
        names = [definition.name for definition in default]
        for name in self.features.drop:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
                hint = f"did you mean {close[0]}?" if close else "`leadscore features --lead ID` lists them"
                raise UsageError(f"features.drop names {name!r}, which is no column; {hint}")
        definitions = [definition for definition in default if definition.name not in self.features.drop]
        return definitions + from_json(self.features.add)

    @property
    def own_features(self) -> tuple[OwnFunction, ...]:
        """Functions to try out as features. Raises UsageError for one that is not there."""
        return tuple(map(self._own, self.features.own))

    def _check_target(self, known: Sequence[str]) -> None:
        """Raises UsageError for a misspelt event type, and where no event of the target's is one of the log's."""
        # Imported late, since it reads exports.
        from data.intake.examination import nearest

        target = self.chosen_target
        for name in target.turning:
            meant = None if name in known else nearest(name, known)
            if meant is not None:
                raise UsageError(
                    f"target {target.name!r} names {name!r}, which is no event type of the log; did you mean {meant}?"
                )
        if not set(target.events) & set(known):
            raise UsageError(
                f"none of the target's events ({', '.join(target.events)}) is an event type of the log; "
                f"known are {', '.join(known)}"
            )

    def stages(self, log: EventLog) -> tuple[str, ...]:
        """Declared stages of the funnel. Raises UsageError for one that the log does not know."""
        known = log.vocabulary.types
        for name in self.audit.stages:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise UsageError(f"audit.stages names {name!r}, which is no event type of the log; {hint}")
        return self.audit.stages

    @property
    def moment_policy(self) -> MomentPolicy:
        return MomentPolicy(**self.moments.model_dump())


def _alike(section: TargetSection, other: TargetSection) -> bool:
    """Whether two targets differ in their events alone."""
    return section.model_dump(exclude={"events"}) == other.model_dump(exclude={"events"})
