"""What every request passes: a request id, one log line, measures, no traceback."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from secrets import token_hex
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.refusals import refusal
from serving.http.services import Services
from serving.messages.problems import Refused

OURS = re.compile(r"[A-Za-z0-9._-]{1,64}")
SAFE = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
]
ALWAYS = ("/v2/health/live", "/v2/health/ready", "/metrics")
"""Asked all the time by whoever watches the server: not logged when all is well."""
TOO_MANY = 429
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
"""The method is the sender's word; only these become labels."""


class RequestLogMiddleware:
    """Gives a request its id and safe headers, measures and logs it, and turns an unexpected error into a problem."""

    def __init__(self, app: ASGIApp, services: Services, templates: Mapping[Any, str]) -> None:
        self.app, self.services, self.templates = app, services, templates
        self.in_work = 0
        services.metrics.in_work.set_function(lambda: self.in_work)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, send, self.templates, self.services.draining.is_set())
        self.in_work += 1
        try:
            if scope["path"] not in ALWAYS:
                await self.services.starts.turn()
            self.services.host_rules.check(scope, scope["path"] in ALWAYS)
            await self.app(scope, receive, exchange.send)
        except Refused as error:
            await refusal(exchange.id, error.code, error.detail)(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = 499
        except Exception as error:
            self.services.log.failure("failed", error, request_id=exchange.id, route=exchange.route)
            if exchange.status is None:
                detail = "an error of the server; the log has it by this request_id"
                await refusal(exchange.id, "internal", detail)(scope, receive, exchange.send)
        finally:
            self.in_work -= 1
        self._note(exchange)

    def _note(self, exchange: Exchange) -> None:
        took = time.perf_counter() - exchange.began
        method, status = exchange.scope["method"], exchange.status or 499
        label = method if method in METHODS else "other"
        self.services.metrics.answered(exchange.route, label, status, took)
        if status >= 400 or exchange.route not in ALWAYS:
            self.services.log.write(
                "request", request_id=exchange.id, route=exchange.route, method=label, status=status,
                ms=round(took * 1000, 2), key=exchange.caller,
            )  # fmt: skip


class Exchange:
    """One request and what is known of its answer so far.

    templates: path of each endpoint's route. closing: the client shall end its connection with it.
    """

    def __init__(self, scope: Scope, send: Send, templates: Mapping[Any, str], closing: bool) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if OURS.fullmatch(given) else token_hex(8)
        self.scope, self.templates = scope, templates
        scope.setdefault("state", {})["request_id"] = self.id
        self.began = time.perf_counter()
        self.status: int | None = None
        self.headers = [(b"x-request-id", self.id.encode()), *SAFE]
        if closing:
            # The server is about to stop: the client shall open its next connection elsewhere.
            self.headers.append((b"connection", b"close"))
        self._send = send

    @property
    def route(self) -> str:
        """The template of the route, never the path, which may hold a lead's id."""
        added: str = getattr(self.scope.get("route"), "path", "unmatched")
        return self.templates.get(self.scope.get("endpoint"), added)

    @property
    def caller(self) -> str | None:
        """The public prefix of the caller's key."""
        caller = self.scope["state"].get("caller")
        return None if caller is None else str(caller.who)

    async def send(self, message: Message) -> None:
        """Adds our headers and notes the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status == TOO_MANY:
                self.scope["state"].get("slow_down", float)(_seconds(message["headers"]))
            present = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((name, value) for name, value in self.headers if name not in present),
            ]
        await self._send(message)


def _seconds(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """What Retry-After says."""
    return next((float(value) for name, value in headers if name == b"retry-after"), 0.0)
