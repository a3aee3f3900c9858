"""What requests and answers about scores look like, and the kinds of fields that all bodies have.

msgspec checks a body while it decodes it, and writes the OpenAPI schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, Struct, UnsetType

from data.contract import NAME_LIMIT, VALUE_LIMIT
from features.numbers_in_words import Language

CLEAN = r"^[^\x00-\x1f\x7f]+$"
UTC = ZoneInfo("UTC")
MOST_EVENTS = 20_000
"""Events in the history of one request; a longer one is read from the store by the lead's id."""
MOST_LEADS = 1_000
MOST_COLUMNS = 200

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_LIMIT,
        description="1 to 200 characters, no control characters",
        # Checked once for the whole body in serving/messages/body.py: the decoder would run a search for each text.
        extra_json_schema={"pattern": CLEAN},
    ),
]
Moment = Annotated[
    str,
    # Read by serving/messages/times.py, by the rule of all times, and many at once.
    Meta(
        description="RFC 3339 with a zone or Z; what is finer than a microsecond is cut",
        extra_json_schema={"format": "date-time"},
    ),
]
Value = Annotated[float, Meta(ge=-VALUE_LIMIT, le=VALUE_LIMIT, description="rounded to a ten-thousandth")]
Number = Annotated[float, Meta(ge=-VALUE_LIMIT, le=VALUE_LIMIT)]
Attributes = Annotated[dict[Name, Name | Number | None], Meta(max_length=MOST_COLUMNS)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A request or a part of one: a field that it does not have is an error."""


class Event(Asked, frozen=True):
    """Something that the lead did or that was done to it.

    received_at: when it became known, default occurred_at. event_id: unique within source; events with the same id
    and content count once, and so do events without an id that are equal. campaign, asset: in which campaign it
    happened, and with what; a model reads them where its settings ask for it.
    """

    event_type: Name
    occurred_at: Moment
    channel: Name | None = None
    value: Value | None = None
    received_at: Moment | None = None
    source: Name | None = None
    event_id: Name | None = None
    campaign: Name | None = None
    asset: Name | None = None


class ScoreRequest(Asked, frozen=True):
    """A lead as the caller knows it.

    profile: what is known about it, by column. known_since: when it was first heard of; default: as_of.
    as_of: the moment to score at, default now; only what was known strictly before it counts.
    """

    events: Annotated[list[Event], Meta(max_length=MOST_EVENTS)] = []
    profile: Attributes = {}
    known_since: Moment | None = None
    as_of: Moment | None = None


class BatchRequest(Asked, frozen=True):
    """Many leads; the answers come in the same order. as_of holds for those that name none."""

    leads: Annotated[list[ScoreRequest], Meta(max_length=MOST_LEADS)]
    as_of: Moment | None = None


@dataclass(frozen=True)
class Extra:
    """What a caller wants besides the score: the features, reasons in a language, further horizons in days.

    zone: in which the days of reasons are told.
    """

    features: bool = False
    reasons: Language | None = None
    horizons: tuple[int, ...] = ()
    zone: ZoneInfo = UTC


class ModelName(Struct, frozen=True):
    """Which model answered. digest: sha256 of its model.json, which names the sha256 of all its files."""

    name: str
    version: str
    digest: str


class ThresholdUsed(Struct, frozen=True):
    """Where a stage begins and what that promises; probability is null when the promise could not be made."""

    stage: str
    probability: float | None
    rule: str
    target: float
    confidence: float | None


class Weekly(Struct, frozen=True):
    """Leads a week: the mean, and between what it lies in eight weeks of ten."""

    low: float
    mean: float
    high: float


class StageArrivals(Struct, frozen=True):
    """What a week brings to a stage if it goes on as past weeks would have: first entries, returns, leads that stand
    there, and wins.

    Of `entered` leads whose outcome is known, from the moment they entered, `converted` did. until: the end of the last
    week.
    """

    stage: str
    weeks: int
    until: datetime
    entries: Weekly
    returns: Weekly
    stock: Weekly
    wins: Weekly
    entered: int
    converted: int


class ThresholdSet(Struct, frozen=True):
    """Whose thresholds decided the stage: the model's own, or those that someone has published for it, and when.

    digest: sha256 of what they are, the same in every answer that was given under them.
    """

    name: str
    digest: str


class Reason(Struct, frozen=True):
    """A signed contribution to the log-odds of this prediction, of all features that are told as one, in words."""

    feature: str
    contribution: float
    words: str


class Reasons(Struct, frozen=True):
    """What speaks for and against, the most telling first; others: what else moves the score, in the model's figures.

    Not all of `others` makes sense to people: a reason that contradicts what is expected is never told elsewhere.
    """

    speaks_for: list[Reason]
    speaks_against: list[Reason]
    others: list[Reason] = []


class Score(Struct, frozen=True):
    """One prediction.

    interval: 95 %, of the share that converts among leads that score alike. fit, engagement: log-odds from the
    profile and from behaviour; fit_share: share of the profile in all that speaks for or against.
    events_counted: events visible at as_of and made by people. newest_event_age_s: seconds from the newest of them.
    unused: profile columns and event types of the request that this model does not read.
    within: probabilities of converting within fewer days, by days, where asked for. caution: what to bear in mind, only
    there where the model had learnt from too few conversions.
    chain: where a chain of targets is served, the probability of each step in order, 1 for one that is behind the lead.
    stage: of a lead in the store the one that lists show, by its history and by what people have decided; else, and in
    stage_without_history, the one that begins at the highest threshold which the probability reaches.
    """

    probability: float
    interval: tuple[float, float]
    stage: str
    as_of: datetime
    events_counted: int
    newest_event_age_s: float | None
    fit: float
    engagement: float
    fit_share: float
    unused: list[str] = []
    features: dict[str, float | str | None] | UnsetType = UNSET
    reasons: Reasons | UnsetType = UNSET
    within: dict[str, float] | UnsetType = UNSET
    caution: str | UnsetType = UNSET
    chain: dict[str, float] | UnsetType = UNSET
    stage_without_history: str | UnsetType = UNSET


class ScoreAnswer(Struct, frozen=True):
    """A prediction with all that it rests on."""

    score: Score
    target: str
    horizon_days: int
    thresholds: list[ThresholdUsed]
    threshold_set: ThresholdSet
    model: ModelName


class BatchAnswer(Struct, frozen=True):
    """Predictions in the order of the request, all by one model."""

    scores: list[Score]
    target: str
    horizon_days: int
    thresholds: list[ThresholdUsed]
    threshold_set: ThresholdSet
    model: ModelName


class Problem(Struct, frozen=True):
    """Why there is no answer: a fixed code for programs, one sentence for people. The input is never repeated."""

    error: str
    detail: str
    request_id: str


class Health(Struct, frozen=True):
    """What an orchestrator asks."""

    status: str
    detail: str = ""


class ModelAnswer(Struct, frozen=True):
    """The model that answers. arrivals: of stages for which past weeks are known. refusal: why a newer one was not put
    in place, null when there is none."""

    model: ModelName
    target: str
    horizon_days: int
    trained_from: str
    trained_to: str
    thresholds: list[ThresholdUsed]
    arrivals: list[StageArrivals]
    threshold_set: ThresholdSet
    profile_columns: dict[str, str]
    event_types: list[str]
    refusal: str | None
