"""Scores of leads that the caller tells in the request: nothing is stored."""

from __future__ import annotations

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from serving.http.answers import json, many, single
from serving.http.authentication import needs
from serving.http.openapi import EXTRAS, describe
from serving.http.queries import Query, extra_of
from serving.http.services import Services
from serving.messages.body import decode, read
from serving.messages.examples import BATCH, LEAD
from serving.messages.schemas import BatchAnswer, BatchRequest, Extra, ScoreAnswer, ScoreRequest
from serving.messages.times import us
from serving.scoring.served_model import ServedModel

router = APIRouter()
ONE: msgspec.json.Decoder[ScoreRequest] = msgspec.json.Decoder(ScoreRequest)
MANY: msgspec.json.Decoder[BatchRequest] = msgspec.json.Decoder(BatchRequest)
NOTHING = Extra()
REFUSALS = ("malformed", "conflict", "too_slow", "too_large", "not_json", "invalid", "not_ready")


@router.post("/v1/score", openapi_extra=describe(ScoreAnswer, ScoreRequest, LEAD, REFUSALS, parameters=EXTRAS))
@needs("score")
async def score(request: Request) -> Response:
    """How likely the lead that the body tells is to convert.

    Reasons come in English or German by Accept-Language.
    """
    services: Services = request.app.state.services
    extra = extra_of(request, Query(request, "features", "reasons", "horizons"))
    asked = decode(ONE, await read(request, services.limits))
    live = services.champion.current()
    if extra == NOTHING and len(asked.events) <= services.limits.inline_events:
        return json(_score(services, live, asked, extra))
    return json(await to_thread.run_sync(_score, services, live, asked, extra, limiter=services.computing))


@router.post("/v1/score/batch", openapi_extra=describe(BatchAnswer, BatchRequest, BATCH, REFUSALS, parameters=EXTRAS))
@needs("score")
async def score_batch(request: Request) -> Response:
    """The same for up to 1,000 leads, in their order, all by one model."""
    services: Services = request.app.state.services
    extra = extra_of(request, Query(request, "features", "reasons", "horizons"))
    body = await read(request, services.limits)
    return await to_thread.run_sync(_score_batch, services, body, extra, limiter=services.computing)


def _score(services: Services, live: ServedModel, asked: ScoreRequest, extra: Extra) -> ScoreAnswer:
    as_of = services.clock() if asked.as_of is None else us(asked.as_of)
    leads = live.request_histories([asked], [as_of])
    scored = live.score(leads, [as_of])
    services.gauges.scored(live, scored)
    return single(live, leads, scored, as_of, live.unused(asked), extra)


def _score_batch(services: Services, body: bytes, extra: Extra) -> Response:
    asked, live = decode(MANY, body), services.champion.current()
    default = services.clock() if asked.as_of is None else us(asked.as_of)
    as_of = [default if each.as_of is None else us(each.as_of) for each in asked.leads]
    leads = live.request_histories(asked.leads, as_of)
    scored = live.score(leads, as_of)
    services.gauges.scored(live, scored)
    return json(many(live, leads, scored, as_of, [live.unused(each) for each in asked.leads], extra))
