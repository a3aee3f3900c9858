"""Events that services send: taken in at least once, each with a result; rejected ones are kept and can be replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.contract import DataError
from data.times import EARLIEST, NoTime, time_from_number
from serving.http import idempotency
from serving.http.answers import json
from serving.http.authentication import caller_of, needs
from serving.http.openapi import documented, query
from serving.http.queries import Query, numbered
from serving.http.services import Services
from serving.messages.body import decode_raw
from serving.messages.event_schemas import EventAnswer, IngestAnswer, IngestRequest, RejectedEvent, RejectedPage, Replay
from serving.messages.examples import INGEST
from serving.messages.problems import Refused
from serving.messages.times import at, earliest_of
from serving.store.events.event_validation import EventIn, EventResult
from serving.store.events.rejected import StoredRejection

SENT: msgspec.json.Decoder[IngestRequest] = msgspec.json.Decoder(IngestRequest)
AGAIN: msgspec.json.Decoder[Replay] = msgspec.json.Decoder(Replay)
FIELDS = frozenset(EventIn.__slots__)
TIMES = frozenset(("occurred_at", "received_at"))
BODY = ("malformed", "too_slow", "too_large", "not_json", "not_encoded", *idempotency.REFUSALS)
PAGE = (
    query("after", "the number after which to go on", {"type": "integer", "minimum": 0, "maximum": 10**15}),
    query("limit", "how many", {"type": "integer", "minimum": 1, "maximum": 1000}),
)
NUMBER = {
    "name": "number",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**15},
}


@needs("ingest")
@documented(IngestAnswer, IngestRequest, INGEST, BODY, parameters=[idempotency.ABOUT])
async def add_events(request: Request) -> Response:
    """Take events in; accepted ones are on disk when the answer is sent, and repeated ones count idempotency."""
    services: Services = request.app.state.services
    services.work.writes.check()
    body = await services.bodies.json(request)
    who = caller_of(request).who
    return await idempotency.answer_once(request, body, lambda: _add(services, who, decode_raw(SENT, body)))


@needs("ingest")
@documented(RejectedPage, refusals=("invalid", "store_away"), parameters=PAGE)
async def rejected_events(request: Request) -> Response:
    """Events that were kept out, with the reason, in the order in which they came."""
    services: Services = request.app.state.services
    asked = Query(request, "after", "limit")
    after, limit = asked.whole("after", 0, 10**15, 0), asked.whole("limit", 1, 1000, 100)
    rejected = await services.read(services.store.rejected.list, after, limit)
    return json(
        RejectedPage([_shown(event) for event in rejected], rejected[-1].id if len(rejected) == limit else None)
    )


@needs("ingest")
@documented(EventAnswer, Replay, {}, (*BODY, "not_found"), parameters=[NUMBER, idempotency.ABOUT])
async def replay_event(request: Request) -> Response:
    """Send a rejected event again, repaired, or as it was when time has mended it."""
    services: Services = request.app.state.services
    services.work.writes.check()
    which, body = numbered(request, "number"), await services.bodies.json(request)
    who = caller_of(request).who
    return await idempotency.answer_once(request, body, lambda: _replay(services, who, which, decode_raw(AGAIN, body)))


def _add(services: Services, who: str, asked: IngestRequest) -> IngestAnswer:
    sent = asked.events
    events = [_event(fields, asked.time_format) for fields in sent]
    results = services.store.events.add(events, services.clock(), earliest_of(asked.earliest), who)
    counts = Counter(result.status for result in results)
    for status, count in counts.items():
        services.metrics.ingested.labels(status).inc(count)
    answers = [_answer(result) for result in results]
    return IngestAnswer(len(sent), counts["accepted"], counts["duplicate"], counts["rejected"], answers, _ignored(sent))


def _replay(services: Services, who: str, number: int, again: Replay) -> EventAnswer:
    try:
        rejected = services.store.rejected.get(number).event
    except DataError:
        raise Refused("not_found", "there is no rejected event of this number") from None
    event = _kept(rejected) if again.event is None else _event(again.event, again.time_format)
    earliest = earliest_of(again.earliest)
    return _answer(services.store.rejected.replay(number, services.clock(), event, earliest, who))


def _event(sent: Mapping[str, Any], time_format: str | None) -> EventIn:
    """An event with the fields that there are; the store judges it, whatever they hold."""
    known = {name: sent[name] for name in FIELDS & sent.keys()}
    known |= {name: _with_unit(known[name], time_format) for name in TIMES & known.keys()}
    return EventIn(**{"lead_id": None, "event_type": None, "occurred_at": None, **known})


def _kept(event: EventIn) -> EventIn:
    """A rejected event as it was; a number of old may be of any unit, and was never read as a time."""
    return replace(event, occurred_at=_of_old(event.occurred_at), received_at=_of_old(event.received_at))


def _of_old(time: Any) -> Any:
    return str(time) if type(time) is int and time < EARLIEST else time


def _with_unit(time: Any, time_format: str | None) -> Any:
    """A time as it was sent; a number by the declared unit, else as a text, which is refused for want of one."""
    if type(time) not in (int, float) or abs(time) > 2**63:
        return time
    try:
        return str(time) if time_format is None else time_from_number(time, time_format)
    except NoTime:
        return time


def _ignored(sent: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of fields that an event does not have: not stored, because they may hold anything, but told."""
    names = {name for fields in sent for name in fields.keys() - FIELDS}
    return sorted(name[:60] for name in names)[:20]


def _answer(result: EventResult) -> EventAnswer:
    return EventAnswer(**asdict(result))


def _shown(rejected: StoredRejection) -> RejectedEvent:
    replayed = None if rejected.replayed_at is None else at(rejected.replayed_at)
    return RejectedEvent(rejected.id, rejected.reason, at(rejected.at), replayed, asdict(rejected.event))


routes = [
    Route("/v1/events", add_events, methods=["POST"]),
    Route("/v1/events/rejected", rejected_events),
    Route("/v1/events/rejected/{number}/replay", replay_event, methods=["POST"]),
]
