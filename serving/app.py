"""The FastAPI application, built from what it needs, and the short way of a request through it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from data.contract import DataError, UsageError
from serving.http.answers import json
from serving.http.authentication import needed_by
from serving.http.middleware import Gate
from serving.http.services import Services
from serving.messages.problems import STATUS, Refused
from serving.messages.schemas import Problem
from serving.pages.routes import page_routes
from serving.routes import events, leads, operations, scores
from serving.store.database import connection
from serving.store.events import event_validation
from serving.store.leads import leads as stored_leads

CODES: tuple[tuple[type[Exception], str], ...] = (
    (connection.StoreFull, "store_full"),
    (connection.StoreAway, "store_away"),
    (stored_leads.Conflict, "conflict"),
    (stored_leads.Erased, "gone"),
    (event_validation.Refused, "invalid"),
    (UsageError, "invalid"),
    (DataError, "invalid"),
)
"""What errors of the store mean to a client; the first that fits holds."""
OF_STATUS = {
    404: ("not_found", "there is nothing here; see /openapi.json"),
    405: ("method_not_allowed", "this is not done with that method; see /openapi.json"),
}


class Application(FastAPI):
    """FastAPI holds the routes and builds what they declare; a request goes from the gate to its handler directly.

    FastAPI's own way solves dependencies and keeps telemetry and exit stacks that no handler here has, and would cost
    more than the score. Handlers take the request and the names in its path.
    """

    def __init__(self, services: Services, routes: list[Any]) -> None:
        super().__init__(routes=routes, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        self.state.services = services
        self.gate = Gate(self.answer, services)
        self.plain = {
            (method, each.path): each for each in routes if "{" not in each.path for method in each.methods
        }  # found without asking one route after the other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the handler of a request's route answer; an error that has a meaning for clients becomes a problem."""
        scope["app"] = self
        request = Request(scope, receive, send)
        try:
            route, names = self._route(scope)
            scope["route"], scope["path_params"] = route, names
            response = await route.endpoint(request=request, **names)
        except Exception as error:
            response = await self._handler(error)(request, error)
        await response(scope, receive, send)

    def _route(self, scope: Scope) -> tuple[APIRoute, dict[str, Any]]:
        """The route of a request and the names in its path. Raises HTTPException 404 or 405."""
        plain = self.plain.get((scope["method"], scope["path"]))
        if plain is not None:
            return plain, {}
        allowed: set[str] = set()
        for each in self.routes:
            match, found = each.matches(scope)
            if match is Match.FULL and isinstance(each, APIRoute):
                return each, found["path_params"]
            if match is Match.PARTIAL:
                allowed |= getattr(each, "methods", None) or set()
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)

    def _handler(self, error: Exception) -> Callable[[Request, Exception], Awaitable[Response]]:
        """What answers for an error. Raises the error itself when nothing does: the gate knows what to say."""
        for kind in type(error).__mro__:
            if kind in self.exception_handlers:
                return self.exception_handlers[kind]  # type: ignore[return-value]
        raise error


def create_app(services: Services) -> Application:
    """The application. Raises ValueError for a route that declares no role: it would let everyone in."""
    # Given flat: included routers would be asked one after the other for every request.
    routes = [route for noun in (scores, events, leads, operations) for route in noun.router.routes]
    app = Application(services, [*routes, *page_routes()])
    for route in app.routes:
        if not isinstance(route, APIRoute) or needed_by(route.endpoint) is None:
            raise ValueError(f"route {getattr(route, 'path', route)} declares no role; decorate it with @needs")
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    for kind, _ in CODES:
        app.add_exception_handler(kind, _store)
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
