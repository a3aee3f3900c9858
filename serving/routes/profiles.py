"""Profiles of many leads in one request, each judged on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.contract import DataError
from serving.http import idempotency
from serving.http.authentication import caller_of, needs
from serving.http.openapi import documented
from serving.http.services import Services
from serving.messages.body import decode_raw, explained
from serving.messages.examples import PROFILES
from serving.messages.lead_schemas import LeadsAnswer, LeadsRequest, LeadVersion, VersionResult
from serving.messages.problems import Refused
from serving.messages.times import earliest_of, written_us
from serving.store.events.event_validation import InvalidInput
from serving.store.leads.profile_validation import ProfileIn

SENT: msgspec.json.Decoder[LeadsRequest] = msgspec.json.Decoder(LeadsRequest)
BODY = ("malformed", "too_slow", "too_large", "not_json", "not_encoded", *idempotency.REFUSALS)


@needs("ingest")
@documented(LeadsAnswer, LeadsRequest, PROFILES, BODY, parameters=[idempotency.ABOUT])
async def put_leads(request: Request) -> Response:
    """Add versions of the profiles of many leads; those that are accepted are on disk when the answer is sent."""
    services: Services = request.app.state.services
    services.work.writes.check()
    body = await services.bodies.json(request)
    who = caller_of(request).who
    return await idempotency.answer_once(request, body, lambda: _put(services, who, decode_raw(SENT, body).leads))


def _put(services: Services, who: str, sent: Sequence[Mapping[str, Any]]) -> LeadsAnswer:
    now = services.clock()
    read_all = [_version(fields, now) for fields in sent]
    judged = iter(
        services.store.leads.put_many([version for version in read_all if isinstance(version, ProfileIn)], now, who)
    )
    results = [_result(next(judged) if isinstance(version, ProfileIn) else version) for version in read_all]
    counts = Counter(result.status for result in results)
    return LeadsAnswer(len(sent), counts["accepted"], counts["duplicate"], counts["rejected"], results)


def _version(fields: Mapping[str, Any], now: int) -> ProfileIn | InvalidInput:
    """What was sent, by the rules of a single one; the store judges what it holds."""
    try:
        asked = msgspec.convert(fields, LeadVersion)
        since = now if asked.valid_from is None else written_us(asked.valid_from, "$.valid_from")
        earliest = earliest_of(asked.earliest)
    except msgspec.ValidationError as error:
        return InvalidInput(explained(str(error)))
    except Refused as refused:
        return InvalidInput(refused.detail)
    return ProfileIn(asked.lead_id, since, asked.account_id, asked.profile, earliest)


def _result(judged: bool | DataError) -> VersionResult:
    if isinstance(judged, DataError):
        return VersionResult("rejected", str(judged))
    return VersionResult("accepted" if judged else "duplicate")


routes = [Route("/v1/leads", put_leads, methods=["PUT"])]
