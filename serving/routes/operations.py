"""What those who run the server ask: is it alive, is it ready, what does it count, what does it serve."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from serving.http.answers import json
from serving.http.authentication import needs
from serving.http.openapi import describe, document
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.messages.schemas import Health, ModelAnswer

router = APIRouter()


@router.get("/v2/health/live", openapi_extra=describe(Health))
@needs("anyone")
async def live(request: Request) -> Response:
    """Whether the process runs (Open Inference Protocol)."""
    return json(Health("live"))


@router.get("/v2/health/ready", openapi_extra=describe(Health, refusals=("not_ready", "store_away")))
@needs("anyone")
async def ready(request: Request) -> Response:
    """Whether requests should be sent here: a model is loaded, the store answers, no stop is under way."""
    services: Services = request.app.state.services
    if services.draining.is_set():
        raise Refused("not_ready", "the server is about to stop")
    services.champion.current()
    await run_in_threadpool(services.store.ping)
    return json(Health("ready", services.champion.refusal or ""))


@router.get("/metrics", openapi_extra=describe(str, media=CONTENT_TYPE_LATEST.partition(";")[0]))
@needs("read")
async def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    services: Services = request.app.state.services
    return Response(services.gauges.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", openapi_extra=describe(dict))
@needs("anyone")
async def openapi(request: Request) -> Response:
    """This document."""
    return json(document(request.app))


@router.get("/v1/model", openapi_extra=describe(ModelAnswer, refusals=("not_ready",)))
@needs("read")
async def model(request: Request) -> Response:
    """The model that answers: version, thresholds, what it reads."""
    services: Services = request.app.state.services
    live = services.champion.current()
    trained = live.predictor.manifest.trained_on
    return json(
        ModelAnswer(
            live.model,
            live.target.name,
            live.target.horizon_days,
            trained.from_,
            trained.to,
            live.thresholds,
            live.effective_thresholds.identity,
            dict(live.profile_columns),
            live.reader.types,
            services.champion.refusal,
        )
    )
