"""The FastAPI application: its routes, its middleware, and what errors mean to a client.

Our own routes are plain Starlette routes of it: bodies are msgspec's and the OpenAPI document is made from our own
descriptions, so that of FastAPI's way only the injection of dependencies would be used, which costs more than half a
score (docs/experiments.md). Whoever adds a route, `@app.get(...)`, has all of FastAPI.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from data.contract import DataError, UsageError
from serving.http.authentication import needed_by
from serving.http.middleware import RequestLogMiddleware
from serving.http.refusals import refusal
from serving.http.services import Services
from serving.messages.problems import STATUS, Refused
from serving.pages.routes import page_routes
from serving.routes import cohorts, companies, events, leads, operations, profiles, scores, work
from serving.store.database import failures
from serving.store.events import event_validation
from serving.store.leads import leads as stored_leads
from serving.store.privacy import workspace_files

CODES: dict[type[Exception], str] = {
    failures.StoreFull: "store_full",
    failures.StoreAway: "store_away",
    stored_leads.Conflict: "conflict",
    stored_leads.Erased: "gone",
    event_validation.InvalidInput: "invalid",
    workspace_files.Unfinished: "unfinished",
    UsageError: "invalid",
    DataError: "invalid",
}
"""What errors of the store mean to a client; the first that fits holds."""
OF_STATUS = {
    404: ("not_found", "there is nothing here; see /openapi.json"),
    405: ("method_not_allowed", "this is not done with that method; see /openapi.json"),
}


def create_app(services: Services) -> FastAPI:
    """The application. Raises ValueError for a route that declares no role: it would let everyone in."""
    routes: list[Route] = [
        *scores.routes,
        *events.routes,
        *leads.routes,
        *profiles.routes,
        *work.routes,
        *companies.routes,
        *cohorts.routes,
        *operations.routes,
        *page_routes(),
    ]
    for route in routes:
        if needed_by(route.endpoint) is None:
            raise ValueError(f"route {route.path} declares no role; decorate it with @needs")
    app = FastAPI(
        openapi_url=None,  # the document is our own, see serving/http/openapi.py
        # Whether somebody listens is else looked up anew for every request; we measure and log ourselves.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        routes=list(routes),
        middleware=[
            Middleware(RequestLogMiddleware, services, {route.endpoint: route.path for route in reversed(routes)}),
        ],
        exception_handlers={
            Refused: _refused,
            HTTPException: _http,
            RequestValidationError: _undeclared,
            **dict.fromkeys(CODES, _store),
        },
    )
    app.router.redirect_slashes = False
    for kind in services.work.kinds():
        services.metrics.waiting.labels(kind.name).set_function(partial(getattr, kind, "waiting"))
    app.state.services = services
    return app


async def _refused(request: Request, error: Any) -> Response:
    return refusal(request.state.request_id, error.code, error.detail, error.retry_after)


async def _undeclared(request: Request, error: Any) -> Response:
    # FastAPI's own answer would repeat what was sent.
    return refusal(request.state.request_id, "invalid", "a parameter or field is not as declared; see /openapi.json")


async def _http(request: Request, error: Any) -> Response:
    code, detail = OF_STATUS.get(error.status_code, ("malformed", "the request cannot be understood"))
    headers = {"allow": _allowed(request)} if code == "method_not_allowed" else error.headers
    return refusal(request.state.request_id, code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of all routes at a path: Starlette names those of the first."""
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE)
    return ", ".join(sorted({method for route in matching for method in route.methods or ()}))


async def _store(request: Request, error: Any) -> Response:
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    return refusal(request.state.request_id, code, str(error)[:400], 5 if STATUS[code] >= 500 else None)
