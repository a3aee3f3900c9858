"""Requests and answers about leads: their profiles, lists, what is known of one, receipts of erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from serving.messages.schemas import MOST_LEADS, Asked, Attributes, Moment, Name
from serving.messages.work_schemas import WorkStep


class LeadRequest(Asked, frozen=True):
    """A version of a lead's profile. A column that is null is unknown.

    valid_from: since when it holds, default now. earliest: the first time that is a date at all, default 1990.
    """

    profile: Attributes = {}  # noqa: RUF012 — msgspec gives every request one of its own
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


class ReceiptAnswer(Struct, frozen=True):
    """A signed statement that a lead was erased; it holds no personal data. subject: keyed hash of the lead."""

    id: str
    subject: str
    erased_at: datetime
    removed: dict[str, int]
    limits: list[str]
    signature: str
