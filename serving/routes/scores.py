"""Scores of leads that the caller tells in the request: nothing is stored."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.answers import json, many, single
from serving.http.authentication import needs
from serving.http.openapi import EXTRAS, documented
from serving.http.queries import Query, extra_of
from serving.http.services import Services
from serving.messages.body import decode
from serving.messages.examples import BATCH, LEAD
from serving.messages.schemas import BatchAnswer, BatchRequest, Extra, ScoreAnswer, ScoreRequest
from serving.messages.times import written_us
from serving.scoring.served_model import ServedModel

ONE: msgspec.json.Decoder[ScoreRequest] = msgspec.json.Decoder(ScoreRequest)
MANY: msgspec.json.Decoder[BatchRequest] = msgspec.json.Decoder(BatchRequest)
NOTHING = Extra()
LARGE = 256 * 2**10
"""Bytes of a body that is not even read on the event loop."""
REFUSALS = ("malformed", "conflict", "too_slow", "too_large", "not_json", "invalid", "not_ready")


@needs("score")
@documented(ScoreAnswer, ScoreRequest, LEAD, REFUSALS, parameters=EXTRAS)
async def score(request: Request) -> Response:
    """How likely the lead that the body tells is to convert.

    Reasons come in English or German by Accept-Language.
    """
    services: Services = request.app.state.services
    extra = extra_of(request, Query(request, "features", "reasons", "horizons"))
    work = services.work
    kind = work.scores if extra == NOTHING else work.reasons
    kind.check()
    body = await services.bodies.json(request)
    if len(body) > LARGE:
        return await work.long.run(_score_long, services, body, extra)
    asked, live = decode(ONE, body), services.champion.current()
    if len(asked.events) <= services.limits.inline_events:
        return await kind.run(_score, services, live, asked, extra)
    return await work.long.run(_score, services, live, asked, extra)


@needs("score")
@documented(BatchAnswer, BatchRequest, BATCH, REFUSALS, parameters=EXTRAS)
async def score_batch(request: Request) -> Response:
    """The same for up to 1,000 leads, in their order, all by one model."""
    services: Services = request.app.state.services
    extra = extra_of(request, Query(request, "features", "reasons", "horizons"))
    services.work.long.check()
    return await services.work.long.run(_score_batch, services, await services.bodies.json(request), extra)


def _score_long(services: Services, body: bytes, extra: Extra) -> Response:
    return _score(services, services.champion.current(), decode(ONE, body), extra)


def _score(services: Services, live: ServedModel, asked: ScoreRequest, extra: Extra) -> Response:
    as_of = services.clock() if asked.as_of is None else written_us(asked.as_of, "$.as_of")
    requests = live.request_histories([asked], [as_of])
    scored = live.score(requests, [as_of])
    services.metrics.scored(live, scored)
    return json(single(live, requests, scored, as_of, live.unused(asked), extra))


def _score_batch(services: Services, body: bytes, extra: Extra) -> Response:
    asked, live = decode(MANY, body), services.champion.current()
    default = services.clock() if asked.as_of is None else written_us(asked.as_of, "$.as_of")
    as_of = [
        default if lead.as_of is None else written_us(lead.as_of, f"$.leads[{i}].as_of")
        for i, lead in enumerate(asked.leads)
    ]
    requests = live.request_histories(asked.leads, as_of)
    scored = live.score(requests, as_of)
    services.metrics.scored(live, scored)
    return json(many(live, requests, scored, as_of, [live.unused(lead) for lead in asked.leads], extra))


routes = [
    Route("/v1/score", score, methods=["POST"]),
    Route("/v1/score/batch", score_batch, methods=["POST"]),
]
