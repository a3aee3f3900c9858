"""Requests and answers about events that services send, and those that were kept out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from serving.messages.schemas import Asked, Moment

MOST_INGESTED = 5_000


class TimesDeclared(Asked, frozen=True, kw_only=True):
    """How times are meant that would else be refused.

    earliest: the first time that is a date at all, default 1990; what lies before it is a null date. time_format: what
    times that are numbers count since 1970; without it they are refused.
    """

    earliest: Moment | None = None
    time_format: Literal["epoch_s", "epoch_ms", "epoch_us"] | None = None


class IngestRequest(TimesDeclared, frozen=True):
    """Events to take in, each judged on its own: a bad one does not keep the others out.

    Fields of each: lead_id, event_type, occurred_at, and optionally channel, value, received_at, source, event_id,
    campaign, asset.
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
