"""What those who run the server ask: is it alive, is it ready, what does it count, what does it serve."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.answers import json
from serving.http.authentication import needs
from serving.http.openapi import document, documented
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.messages.schemas import Health, ModelAnswer, StageArrivals, Weekly
from serving.messages.times import at
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreError
from serving.store.flow import FlowReport
from training.thresholds.replay import StageEntries


@needs("anyone")
@documented(Health)
async def live(request: Request) -> Response:
    """Whether the process runs (Open Inference Protocol)."""
    return json(Health("live"))


@needs("anyone")
@documented(Health, refusals=("not_ready", "store_away"))
async def ready(request: Request) -> Response:
    """Whether requests should be sent here: a model is loaded, the store answers, no stop is under way."""
    services: Services = request.app.state.services
    if services.draining.is_set():
        raise Refused("not_ready", "the server is about to stop")
    target = services.champion.current().target.name
    flow = await services.pulse.beat(lambda: _flow(services, target))
    notes = [services.champion.refusal, *(f"data does not arrive as usual: {alarm.told}" for alarm in flow.red[:1])]
    return json(Health("ready", "; ".join(filter(None, notes))))


@needs("read")
@documented(str, media=CONTENT_TYPE_LATEST.partition(";")[0])
async def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    services: Services = request.app.state.services
    target = services.target_name
    try:
        services.metrics.flows(await services.pulse.beat(lambda: _flow(services, target)))
    except StoreError:  # it does not answer, or takes no writes
        services.metrics.flows(None)
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@needs("anyone")
@documented(dict)
async def openapi(request: Request) -> Response:
    """This document."""
    state = request.app.state
    if not hasattr(state, "document"):  # it takes a while to make, and anyone may ask for it
        state.document = json(document(request.app)).body
    return Response(state.document, media_type="application/json")


def arrivals_of(live: ServedModel) -> list[StageArrivals]:
    """What past weeks would have brought to each stage; stages of which that is not known are left out."""
    by_stage = ((threshold.stage, threshold.arrivals) for threshold in live.effective_thresholds.thresholds)
    return [_arrivals(stage, arrivals) for stage, arrivals in by_stage if arrivals is not None]


def _arrivals(stage: str, arrivals: StageEntries) -> StageArrivals:
    entries, returns, stock, wins = (
        Weekly(spread.low, spread.mean, spread.high)
        for spread in (arrivals.entries, arrivals.returns, arrivals.stock, arrivals.wins)
    )
    return StageArrivals(
        stage, arrivals.weeks, at(arrivals.until), entries, returns, stock, wins, arrivals.entered, arrivals.converted
    )


@needs("read")
@documented(ModelAnswer, refusals=("not_ready",))
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
            arrivals_of(live),
            live.effective_thresholds.identity,
            dict(live.profile_columns),
            live.reader.types,
            services.champion.refusal,
        )
    )


def _flow(services: Services, target: str) -> FlowReport:
    services.store.ping()
    return services.store.flow.read(target, services.clock())


routes = [
    Route("/v2/health/live", live),
    Route("/v2/health/ready", ready),
    Route("/metrics", metrics),
    Route("/openapi.json", openapi),
    Route("/v1/model", model),
]
