"""Builds the FastAPI application; everything it needs is passed in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from data import store_database, store_door, store_leads
from data.contract import DataError, UsageError
from serving.answers import json
from serving.doors import needed_by
from serving.gate import Gate
from serving.problems import STATUS, Refused
from serving.routes import events, leads, operations, scores
from serving.schemas import Problem
from serving.services import Services

CODES: tuple[tuple[type[Exception], str], ...] = (
    (store_database.StoreFull, "store_full"),
    (store_database.StoreAway, "store_away"),
    (store_leads.Conflict, "conflict"),
    (store_leads.Erased, "gone"),
    (store_door.Refused, "invalid"),
    (UsageError, "invalid"),
    (DataError, "invalid"),
)
"""What errors of the store mean to a client; the first that fits holds."""
OF_STATUS = {
    404: ("not_found", "there is nothing here; see /openapi.json"),
    405: ("method_not_allowed", "this is not done with that method; see /openapi.json"),
}


def create_app(services: Services) -> FastAPI:
    """The application. Raises ValueError for a route that declares no role: it would let everyone in."""
    # Given flat: included routers would be asked one after the other for every request.
    routes = [route for noun in (scores, events, leads, operations) for route in noun.router.routes]
    app = FastAPI(routes=routes, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    for route in app.routes:
        if not isinstance(route, APIRoute) or needed_by(route.endpoint) is None:
            raise ValueError(f"route {getattr(route, 'path', route)} declares no role; decorate it with @needs")
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    for kind, _ in CODES:
        app.add_exception_handler(kind, _store)
    app.add_middleware(Gate, services=services)
    return app


async def _refused(request: Request, error: Any) -> Response:
    return _problem(request, error.code, error.detail, error.retry_after)


async def _http(request: Request, error: Any) -> Response:
    code, detail = OF_STATUS.get(error.status_code, ("malformed", "the request cannot be understood"))
    return _problem(request, code, detail, headers=error.headers)


async def _store(request: Request, error: Any) -> Response:
    code = next(code for kind, code in CODES if isinstance(error, kind))
    return _problem(request, code, str(error)[:400], 5 if STATUS[code] >= 500 else None)


def _problem(request: Request, code: str, detail: str, retry_after: int | None = None, headers: Any = None) -> Response:
    answer = json(Problem(code, detail, request.state.request_id), STATUS[code])
    answer.headers.update(headers or {})
    if code == "unauthorized":
        answer.headers["www-authenticate"] = "Bearer"
    if retry_after is not None:
        answer.headers["retry-after"] = str(retry_after)
    return answer
