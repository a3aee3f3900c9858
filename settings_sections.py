"""The tables of leadscore.toml, a class each: keys, defaults, bounds and what each key means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from data.own_functions import check_form
from serving.store.scores.sections import REJECTIONS
from training.samples.recent import check_since


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
    own: tuple[str, ...] = Field((), description="functions to try out as features, FILE.py:FUNCTION; never served")
    companies: Literal["no", "yes"] = Field(
        "no", description="yes: also what is known of other leads of the same account, where the log knows accounts"
    )
    campaigns: Literal["no", "yes"] = Field(
        "no", description="yes: also in which campaigns and with which assets things happened, where events name them"
    )

    @field_validator("own")
    @classmethod
    def name_functions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Functions by file or module."""
        return tuple(map(check_form, names))


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
        "yes",
        description="whether trees see how much of each category has converted so far (of a hazard model half of them)",
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
    since: str = Field("", description="moments from then on count: a day, or a span such as 12 months; empty: all")
    weight: str = Field("", description="a column of numbers, or FILE.py:FUNCTION, that says how much a moment counts")
    metrics: tuple[str, ...] = Field((), description="own metrics to report, FILE.py:FUNCTION or MODULE.FUNCTION each")
    segments: tuple[str, ...] = Field((), description="columns by whose values the report judges too, and flags gaps")
    tuning_metric: str = Field("", description="own metric that tuning shall maximise; empty: least log-loss")

    @field_validator("since")
    @classmethod
    def is_a_start(cls, since: str) -> str:
        """A day, or a span."""
        return check_since(since)

    @field_validator("metrics", "tuning_metric")
    @classmethod
    def name_functions(cls, names: tuple[str, ...] | str) -> tuple[str, ...] | str:
        """Functions by file or module; none of them is run to read settings."""
        for name in filter(None, (names,) if isinstance(names, str) else names):
            check_form(name)
        return names


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


CONVERSION = TargetSection(events=("deal_won",), closed_by=("deal_lost",))
REPEAT = TargetSection(
    events=("purchase",), requires=("purchase", "deal_won"), closed_by=(), repeats=True, horizon_days=90
)
