"""What requests and answers look like; msgspec checks a body while it decodes it, and writes the OpenAPI schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from data.contract import NAME_LIMIT, VALUE_LIMIT
from features.wording import Language

CLEAN = r"^[^\x00-\x1f\x7f]+$"
MOST_EVENTS = 20_000
"""Events in the history of one request; a longer one is read from the store by the lead's id."""
MOST_LEADS = 1_000
MOST_INGESTED = 5_000
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
    and content count once, and so do events without an id that are equal.
    """

    event_type: Name
    occurred_at: Moment
    channel: Name | None = None
    value: Value | None = None
    received_at: Moment | None = None
    source: Name | None = None
    event_id: Name | None = None


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
    """What a caller wants besides the score: the features, reasons in a language, further horizons in days."""

    features: bool = False
    reasons: Language | None = None
    horizons: tuple[int, ...] = ()


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
    """Leads a week: the mean, and between what it lay in eight weeks of ten."""

    low: float
    mean: float
    high: float


class StageArrivals(Struct, frozen=True):
    """What past weeks would have brought to a stage: first entries, returns, leads that stood there, and wins.

    Of `entered` leads in all weeks, from the moment they entered, `converted` did. until: the end of the last week.
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


class LeadRequest(Asked, frozen=True):
    """A version of a lead's profile. A column that is null is unknown.

    valid_from: since when it holds, default now. earliest: the first time that is a date at all, default 1990.
    """

    profile: Attributes = {}
    account_id: Name | None = None
    valid_from: Moment | None = None
    earliest: Moment | None = None


class LeadPut(Struct, frozen=True):
    """What became of a version: `accepted`, or `duplicate` when it stood there already."""

    status: str


class LeadVersion(LeadRequest, frozen=True, kw_only=True):
    """One of many: a version of a lead's profile, and whose it is."""

    lead_id: Name


class LeadsRequest(Asked, frozen=True):
    """Versions of profiles, each judged on its own: a bad one does not keep the others out.

    Fields of each: lead_id, and optionally profile, account_id, valid_from, earliest, as in a request about one lead.
    """

    leads: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_LEADS)]


class VersionResult(Struct, frozen=True, omit_defaults=True):
    """What became of one version: accepted, duplicate (it stood there already), or rejected and why."""

    status: str
    reason: str | None = None


class LeadsAnswer(Struct, frozen=True):
    """Sent when all accepted versions are on disk; accepted + duplicate + rejected = received, results in order."""

    received: int
    accepted: int
    duplicate: int
    rejected: int
    results: list[VersionResult]


class ObjectionRequest(Asked, frozen=True):
    """Whether the lead objects to being scored."""

    objects: bool


class TimesDeclared(Asked, frozen=True, kw_only=True):
    """How times are meant that would else be refused.

    earliest: the first time that is a date at all, default 1990; what lies before it is a null date. time_format: what
    times that are numbers count since 1970; without it they are refused.
    """

    earliest: Moment | None = None
    time_format: Literal["epoch_s", "epoch_ms", "epoch_us"] | None = None


class IngestRequest(TimesDeclared, frozen=True):
    """Events to take in, each judged on its own: a bad one does not keep the others out.

    Fields of each: lead_id, event_type, occurred_at, and optionally channel, value, received_at, source, event_id.
    Send an event_id of your own, so that a repeated event counts once. earliest, time_format: see TimesDeclared.
    """

    events: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_INGESTED)]


class EventAnswer(Struct, frozen=True, omit_defaults=True):
    """What became of one event: accepted, duplicate or rejected. rejected_id: it is kept, and can be replayed."""

    status: str
    event_id: str | None = None
    reason: str | None = None
    rejected_id: int | None = None


class IngestAnswer(Struct, frozen=True):
    """Sent when all accepted events are on disk; accepted + duplicate + rejected = received, results in order.

    ignored_fields: names in the events that are no field of one, and were not stored.
    """

    received: int
    accepted: int
    duplicate: int
    rejected: int
    results: list[EventAnswer]
    ignored_fields: list[str]


class Replay(TimesDeclared, frozen=True):
    """A rejected event, repaired; null sends it again as it was."""

    event: dict[str, Any] | None = None


class RejectedEvent(Struct, frozen=True):
    """An event that was kept out."""

    id: int
    reason: str
    at: datetime
    replayed_at: datetime | None
    event: dict[str, Any]


class RejectedPage(Struct, frozen=True):
    """Rejected events by number; next: what to give as `after` for the next page."""

    rejected: list[RejectedEvent]
    next: int | None


class ProfileVersion(Struct, frozen=True):
    """A profile since a time."""

    valid_from: datetime
    account_id: str | None
    profile: dict[str, str | float]


class PastScore(Struct, frozen=True):
    """A score that was given; it never changes."""

    target: str
    as_of: datetime
    scored_at: datetime
    probability: float
    interval: tuple[float, float]
    stage: str
    model_version: str
    model_digest: str


class StageStep(Struct, frozen=True):
    """A step from one stage to another, and why."""

    target: str
    at: datetime
    before: str | None
    after: str
    cause: str
    probability: float | None
    model_version: str | None


class PastEvent(Struct, frozen=True):
    """An event as it counts: bot says whether a rule took it for a machine's."""

    event_type: str
    occurred_at: datetime
    known_at: datetime
    channel: str | None
    value: float | None
    bot: bool


class StageDecision(Struct, frozen=True):
    """A stage that a person has set against the model. reason: of a closed list; until: null until it is lifted."""

    stage: str
    reason: str
    by: str
    at: datetime
    until: datetime | None


class WorkAction(Asked, frozen=True, tag_field="action"):
    """What sales does with a lead; `action` says what. There is no free text: it would hold personal data.

    seen: `number` of the newest step that you know, 0 for none: 409 when somebody else has acted since.
    """

    seen: Annotated[float, Meta(ge=0, le=2**31 - 1, multiple_of=1)]  # a whole number of JSON may be written 2.0


class Take(WorkAction, frozen=True, tag="take"):
    """From now on the lead is its taker's. owner: who takes it, an account or an owner of leads."""

    owner: Name


class Assign(WorkAction, frozen=True, tag="assign"):
    """From now on the lead is somebody else's. owner: whose, an account or an owner of leads."""

    owner: Name


class Accept(WorkAction, frozen=True, tag="accept"):
    """Sales says that the lead was worth handing over. owner: who says it, where nobody has the lead yet."""

    owner: Name | None = None


class Reject(WorkAction, frozen=True, tag="reject"):
    """Sales says that it was not. reason: of the closed list of the settings; owner: as in Accept."""

    reason: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z0-9_]+$")]
    owner: Name | None = None


class Snooze(WorkAction, frozen=True, tag="snooze"):
    """The lead rests for so many days. owner: as in Accept."""

    days: Annotated[float, Meta(ge=1, le=365, multiple_of=1)]
    owner: Name | None = None


class Return(WorkAction, frozen=True, tag="return"):
    """Back to nurturing. owner: as in Accept."""

    owner: Name | None = None


WorkRequest = Take | Assign | Accept | Reject | Snooze | Return


class WorkStep(Struct, frozen=True):
    """What was done with a lead. stage, probability: those of then. until: end of a snooze."""

    number: int
    at: datetime
    action: str
    owner: str
    reason: str | None
    until: datetime | None
    stage: str | None
    probability: float | None


class LeadAnswer(Struct, frozen=True):
    """What is known of a lead. history: its newest events, latest first; events: how many there are in all.

    scores: with the model's stages; decision: what a person has set beside them, null for nothing. work: what sales
    did with it, latest first.
    """

    lead_id: str
    account_id: str | None
    objection: bool
    created_at: datetime
    changed_at: datetime
    events: int
    profile: list[ProfileVersion]
    history: list[PastEvent]
    scores: list[PastScore]
    stages: list[StageStep]
    decision: StageDecision | None
    work: list[WorkStep]


class ListedLead(Struct, frozen=True):
    """A lead in a list; stages and score as they were last recorded, null while there is none.

    stage: the one that holds: `override`, which a person has set, else `model_stage`. chain: where a chain of targets
    is served, the probability of each step in order.
    """

    lead_id: str
    account_id: str | None
    objection: bool
    created_at: datetime
    changed_at: datetime
    stage: str | None
    model_stage: str | None
    override: str | None
    probability: float | None
    interval: tuple[float, float] | None
    as_of: datetime | None
    model_version: str | None
    chain: dict[str, float] | None


class LeadPage(Struct, frozen=True):
    """A page of leads; next: the cursor of the next one, null for the last, but with `order=change`, which goes on."""

    leads: list[ListedLead]
    next: str | None


class CompanyLead(Struct, frozen=True):
    """A lead of a company. before: its probability a week earlier. active_at: of its newest activity when scored."""

    lead_id: str
    stage: str
    probability: float | None
    before: float | None
    active_at: datetime | None


class CompanyAnswer(Struct, frozen=True):
    """The leads of an account, at most 500, the likeliest first.

    unscored: leads beside these that have no score yet. is_all: false where the account has more leads. stages: how
    many are in each. deals: by event type of the target's outcomes, how many leads have one; in a list none are told.
    expected: the sum of the probabilities; expected_before: a week earlier, null where there was none.
    """

    account_id: str
    leads: list[CompanyLead]
    unscored: int
    is_all: bool
    stages: dict[str, int]
    active_at: datetime | None
    deals: dict[str, int]
    expected: float
    expected_before: float | None


class CompanyList(Struct, frozen=True):
    """A page of companies; next: the cursor of the next one, null for the last."""

    companies: list[CompanyAnswer]
    next: str | None


class ReceiptAnswer(Struct, frozen=True):
    """A signed statement that a lead was erased; it holds no personal data. subject: keyed hash of the lead."""

    id: str
    subject: str
    erased_at: datetime
    removed: dict[str, int]
    limits: list[str]
    signature: str


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
