"""What requests and answers look like; msgspec checks a body while it decodes it, and writes the OpenAPI schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from data.contract import NAME_LIMIT, VALUE_LIMIT
from features.words import Language

CLEAN = r"^[^\x00-\x1f\x7f]+$"
MOST_EVENTS = 20_000
"""Events in the history of one request; a longer one is read from the store by the lead's id."""
MOST_LEADS = 1_000
MOST_COLUMNS = 200

Name = Annotated[
    str, Meta(max_length=NAME_LIMIT, pattern=CLEAN, description="1 to 200 characters, no control characters")
]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone or Z, exact to a microsecond")]
Value = Annotated[float, Meta(ge=-VALUE_LIMIT, le=VALUE_LIMIT, description="rounded to a ten-thousandth")]
Number = Annotated[float, Meta(ge=-1e30, le=1e30)]
Attributes = Annotated[dict[Name, Name | Number | None], Meta(max_length=MOST_COLUMNS)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A request or a part of one: a field that it does not have is an error."""


class Event(Asked, frozen=True):
    """Something that the lead did or that was done to it.

    received_at: when it became known, default occurred_at. event_id: unique within source; events with the same id
    and content count once, and so do events without an id that are equal.
    """

    event_type: Name
    occurred_at: Time
    channel: Name | None = None
    value: Value | None = None
    received_at: Time | None = None
    source: Name | None = None
    event_id: Name | None = None


class ScoreRequest(Asked, frozen=True):
    """A lead as the caller knows it.

    profile: what is known about it, by column. known_since: when it was first heard of; default: as_of.
    as_of: the moment to score at, default now; only what was known strictly before it counts.
    """

    events: Annotated[list[Event], Meta(max_length=MOST_EVENTS)] = []
    profile: Attributes = {}
    known_since: Time | None = None
    as_of: Time | None = None


class BatchRequest(Asked, frozen=True):
    """Many leads; the answers come in the same order. as_of holds for those that name none."""

    leads: Annotated[list[ScoreRequest], Meta(max_length=MOST_LEADS)]
    as_of: Time | None = None


@dataclass(frozen=True)
class Extra:
    """What a caller wants besides the score: the features, and reasons in a language."""

    features: bool = False
    reasons: Language | None = None


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


class Reason(Struct, frozen=True):
    """A signed contribution to the log-odds of this prediction, in words."""

    feature: str
    contribution: float
    words: str


class Reasons(Struct, frozen=True):
    """What speaks for and against, strongest first."""

    speaks_for: list[Reason]
    speaks_against: list[Reason]


class Score(Struct, frozen=True):
    """One prediction.

    interval: 95 %, of the share that converts among leads that score alike. fit, engagement: log-odds from the
    profile and from behaviour; fit_share: share of the profile in all that speaks for or against.
    events_counted: events visible at as_of and made by people; newest_event_age_s: seconds from the newest of them to as_of.
    unused: profile columns and event types of the request that this model does not read.
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


class ScoreAnswer(Struct, frozen=True):
    """A prediction with all that it rests on."""

    score: Score
    target: str
    horizon_days: int
    thresholds: list[ThresholdUsed]
    model: ModelName


class BatchAnswer(Struct, frozen=True):
    """Predictions in the order of the request, all by one model."""

    scores: list[Score]
    target: str
    horizon_days: int
    thresholds: list[ThresholdUsed]
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
