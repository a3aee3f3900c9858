"""What can be set: leadscore.toml, checked key by key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from data.contract import UsageError
from data.log.eventlog import EventLog
from data.vocabulary import NAMING
from features.catalogue import campaign_catalogue, company_catalogue, default_catalogue, from_json
from features.kinds import Definition
from features.labels import Target
from features.moments import MomentPolicy
from serving.store.scores.sections import REJECTIONS
from training.registry.ownership import model_name

if TYPE_CHECKING:
    from training.recipe.train import TrainingPlan


class Section(BaseModel):
    """A table of the file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetSection(Section):
    """One `[targets.NAME]`: what is predicted, of whom, and how far ahead."""

    events: tuple[str, ...] = Field(min_length=1, description="event types that count as the target")
    closed_by: tuple[str, ...] = Field((), description="event types that end the chance, e.g. deal_lost")
    undone_by: tuple[str, ...] = Field((), description="event types that undo a target event, e.g. deal_cancelled")
    reopened_by: tuple[str, ...] = Field((), description="event types that bring a lead back, e.g. deal_reopened")
    requires: tuple[str, ...] = Field((), description="a lead belongs to the population only after one of these")
    repeats: bool = Field(False, description="whether the target can happen again to the same lead")
    horizon_days: int = Field(30, ge=1, le=3650, description="how many days a prediction looks ahead")
    gap_days: int = Field(0, ge=0, le=3650, description="days between the moment and the start of the label window")
    settle_days: int = Field(
        0, ge=0, le=3650, description="how late outcomes are recorded or undone; labels wait that long"
    )

    @field_validator("undone_by", "reopened_by")
    @classmethod
    def means_one_thing(cls, types: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """An event cannot be an outcome and take it back."""
        for key in ("events", "closed_by") if info.field_name == "reopened_by" else ("events",):
            both = sorted({*types} & {*info.data.get(key, ())})
            if both:
                raise ValueError(f"{both[0]!r} stands in {key} too and cannot be both; take it out of one of them")
        return types


class MomentsSection(Section):
    """`[moments]`: at which moments of its life a lead is looked at."""

    policy: Literal["grid", "ages", "events"] = Field("grid", description="regular grid, ages, or after each event")
    every_days: int = Field(7, ge=1, le=365, description="grid: days between moments; multiples of 7 fall on Mondays")
    ages_days: tuple[Annotated[int, Field(ge=1, le=36_500)], ...] = Field(
        (1, 3, 7, 14, 30, 60, 90), description="ages: days after creation"
    )
    max_age_days: int = Field(365, ge=1, le=36_500, description="no moment later than this after creation")
    max_per_lead: int = Field(60, ge=1, description="more moments are thinned evenly and weighted up")


class FeaturesSection(Section):
    """`[features]`: what may be known of a lead."""

    add: tuple[dict[str, Any], ...] = Field((), description='more features, e.g. {feature = "Count", events = "chat"}')
    drop: tuple[str, ...] = Field((), description="columns of the default catalogue to leave out")
    companies: Literal["no", "yes"] = Field(
        "no", description="yes: also what is known of other leads of the same account, where the log knows accounts"
    )
    campaigns: Literal["no", "yes"] = Field(
        "no", description="yes: also in which campaigns and with which assets things happened, where events name them"
    )


class TrainingSection(Section):
    """`[training]`: how the model is made and judged."""

    newest_share: float = Field(0.2, gt=0, lt=0.9, description="share of mature moments that judge, the newest ones")
    fewest_converted: int = Field(
        0, ge=0, description="leads that must have converted; 0: as many as are needed by what is known of such models"
    )
    small: Literal["refuse", "prior"] = Field(
        "refuse",
        description="what to do with fewer: refuse, or a simple model with a prior, which every score tells of",
    )
    model: Literal["auto", "hazard", "fixed"] = Field(
        "auto", description="hazard learns from open leads too, fixed from known outcomes; auto: hazard from a log"
    )
    twin: Literal["auto", "yes", "no"] = Field(
        "yes", description="whether as many extremely randomised trees are averaged in; auto, of old, is yes"
    )
    rates: Literal["yes", "no"] = Field(
        "yes", description="whether half of the trees see how much of each category has converted so far"
    )
    newest_step: Literal["auto", "yes", "no"] = Field(
        "auto", description="whether the intercept steps after the newest moments; auto: where that helped before"
    )
    folds: int = Field(4, ge=2, le=20, description="each model leaves out one fold of leads; twins double them")
    learning_rate: float = Field(0.03, gt=0, le=1, description="LightGBM learning rate")
    num_leaves: int = Field(7, ge=2, le=1024, description="leaves per tree")
    min_leaf: int = Field(40, ge=1, description="moments per leaf at least")
    l2: float = Field(5.0, ge=0, description="L2 regularisation of leaf values")
    max_rounds: int = Field(3000, ge=1, description="trees per model at most; early stopping ends sooner")
    column_share: float = Field(0.3, gt=0, le=1, description="share of the features that each tree may look at")
    tuning_trials: int = Field(0, ge=0, description="trials of tuning with Optuna; 0 keeps the settings above")
    tuning_minutes: float = Field(
        0.0, ge=0, description="time for tuning at most, which depends on the machine; 0: any"
    )
    most_moments: int = Field(
        400_000, ge=10_000, description="moments that are read whole; of more, what they can be judged and learnt by"
    )
    seed: int = Field(0, ge=0, description="seed of everything random in training")


class AuditSection(Section):
    """`[audit]`: what the leakage audit may find without stopping training."""

    allow: tuple[str, ...] = Field((), description="columns or event types that were looked into and are no leak")
    stages: tuple[str, ...] = Field((), description="event types of the funnel that come before the target")


class RetentionSection(Section):
    """`[retention]`: how many days `leadscore prune` leaves what is of no use any more; 0: for ever."""

    scores_days: int = Field(0, ge=0, le=36_500, description="scores of leads that have a newer one")
    rejected_days: int = Field(0, ge=0, le=36_500, description="events that were rejected")
    audit_days: int = Field(0, ge=0, le=36_500, description="the audit trail")
    runs_days: int = Field(0, ge=0, le=36_500, description="runs that were never registered")
    versions_days: int = Field(0, ge=0, le=36_500, description="versions in MLflow that no alias and no score names")
    backtests_days: int = Field(0, ge=0, le=36_500, description="predictions that a backtest keeps to go on from")


class ThresholdSection(Section):
    """`[thresholds.mql]`, `[thresholds.sql]`: by precision, by weekly capacity, by both or by value."""

    precision: float | None = Field(None, gt=0, lt=1, description="share of leads above that is promised to convert")
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence of a promised precision")
    per_week: float | None = Field(None, gt=0, description="leads that can be worked per week")
    value: float | None = Field(None, gt=0, description="what a win is worth; goes with cost")
    cost: float | None = Field(None, gt=0, description="what a touch costs, in the same currency")

    @model_validator(mode="after")
    def one_rule(self) -> Self:
        """A threshold follows one rule."""
        by_volume, by_value = (self.precision, self.per_week) != (None, None), self.value is not None
        if by_value != (self.cost is not None) or by_volume == by_value:
            raise ValueError("give precision, per_week or both, or value and cost")
        if self.value is not None and self.cost is not None and self.cost >= self.value:
            raise ValueError("cost must lie below value, or no lead is worth a touch")
        return self


class ThresholdsSection(Section):
    """`[thresholds]`."""

    mql: ThresholdSection = ThresholdSection(precision=0.05)
    sql: ThresholdSection = ThresholdSection(precision=0.2)


class SalesSection(Section):
    """`[sales]`: how leads are worked."""

    reject_reasons: tuple[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")], ...] = Field(
        REJECTIONS,
        min_length=1,
        max_length=30,
        description="for which a lead may be rejected; a name each, no sentence",
    )
    first_hours: float = Field(24.0, gt=0, le=8760, description="within which a new lead shall be acted on")
    crm_link: str = Field("", max_length=500, description="address of a lead in the CRM, https, with {lead_id} in it")
    owners: dict[str, Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        {}, description="account = the name that the CRM has for this owner, where it is another"
    )

    @field_validator("reject_reasons")
    @classmethod
    def each_once(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        """A reason that is there twice cannot be counted."""
        if len(set(reasons)) < len(reasons):
            raise ValueError("a reason is there twice; name each once")
        return reasons

    @field_validator("crm_link")
    @classmethod
    def leads_into_the_crm(cls, link: str) -> str:
        """What a page links to for every lead must be an address of one host, and differ from lead to lead."""
        if not link:
            return link
        if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[!-~]*", link):
            raise ValueError("must begin with https://HOST/ and hold no blanks; a page opens nothing else")
        if link.count("{lead_id}") != 1 or re.search(r"[{}]", link.replace("{lead_id}", "")):
            raise ValueError("must hold {lead_id} once, in path or query, and no other braces")
        return link


Price = Annotated[float, Field(ge=0, le=1e12)]


class CostsSection(Section):
    """`[costs]`: what sources cost a quarter, in the unit of the events' values."""

    channel: dict[str, Price] = Field({}, description="by channel")
    campaign: dict[str, Price] = Field({}, description="by campaign")
    asset: dict[str, Price] = Field({}, description="by asset, such as a white paper")


COMPARED_DAYS = 92
"""So long after its outcome is certain a score is counted, with its month and with the newest weeks."""
CONVERSION = TargetSection(events=("deal_won",), closed_by=("deal_lost",))
REPEAT = TargetSection(
    events=("purchase",), requires=("purchase", "deal_won"), closed_by=(), repeats=True, horizon_days=90
)


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    target: str = Field(default="conversion", description="the target that the commands work on, one of [targets]")
    chain: tuple[str, ...] = Field(default=(), description="targets in order, each a step towards the next one")
    personal_ids: bool = Field(
        False, description="whether ids that services send may be e-mail addresses or telephone numbers"
    )
    time_zone: str = Field(default="UTC", description="in which pages tell days and times, e.g. Europe/Berlin")
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

    @property
    def retention_days(self) -> dict[str, int]:
        """How many days things are kept, 0 for ever. Raises UsageError for scores that go before they are counted.

        A score is compared with what became of it, by `monitor` and month by month: until then it is needed.
        """
        days = {name.removesuffix("_days"): kept for name, kept in self.retention.model_dump().items()}
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
        from training.recipe.train import Promise, TrainingPlan

        training = self.training
        parameters = {
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
        )

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


def read_settings(path: Path | None) -> Settings:
    """Reads a settings file; without one the defaults. Raises UsageError: key, value, remedy."""
    if path is None:
        return Settings()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); name a settings file that exists") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    try:
        return Settings(**values)
    except ValidationError as error:
        raise UsageError(f"{path}: {_explained(error)}") from None


def threshold_section(**values: Any) -> ThresholdSection:
    """One stage's rule from single values. Raises UsageError: value, remedy."""
    try:
        return ThresholdSection(**values)
    except ValidationError as error:
        raise UsageError(_explained(error)) from None


def settings_path(config: Path | None) -> Path | None:
    """The settings file: as given, or leadscore.toml where there is one."""
    default = Path("leadscore.toml")
    return config or (default if default.exists() else None)


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key} is no setting{_nearest(first['loc'])}"
    return f"{key} = {first['input']!r}: {first['msg']}"


def _nearest(loc: tuple[int | str, ...]) -> str:
    known = [key.split(".") for key in keys()]
    names = sorted({name for parts in known for name in parts})
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"


def keys() -> list[str]:
    """Every key that can be set, dotted; a target's own keys stand below `targets.NAME`.

    >>> [key.rpartition(".")[2] for key in keys() if key.startswith("thresholds.mql")]
    ['precision', 'confidence', 'per_week', 'value', 'cost']
    """
    return list(_keys(Settings, ""))


def _keys(section: type[BaseModel], prefix: str) -> list[str]:
    dotted: list[str] = []
    for name, field in section.model_fields.items():
        kind = TargetSection if name == "targets" else field.annotation
        inner = f"{prefix}{name}.NAME" if name == "targets" else f"{prefix}{name}"
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        dotted += _keys(kind, f"{inner}.") if is_section else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return dotted
