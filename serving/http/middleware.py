"""What every request passes: a request id, the limit of requests at once, measures, one log line, no traceback."""

from __future__ import annotations

import re
import time
from secrets import token_hex

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.services import Services
from serving.messages.problems import STATUS
from serving.messages.schemas import Problem

OURS = re.compile(r"[A-Za-z0-9._-]{1,64}")
SAFE = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
]
ALWAYS = ("/v2/health/live", "/v2/health/ready", "/metrics")
"""Answered however many requests are in work: whoever watches the server must not be turned away."""


class Gate:
    """Around all routes."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self.services = services
        self.in_work = 0
        services.gauges.in_work.set_function(lambda: self.in_work)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope, send, self.services.draining.is_set())
        if self.in_work >= self.services.limits.at_once and scope["path"] not in ALWAYS:
            await visit.refuse("busy", "too many requests at once; try again in a second")
        else:
            await self._work(visit, receive)
        self._note(visit)

    async def _work(self, visit: Visit, receive: Receive) -> None:
        self.in_work += 1
        try:
            await self.app(visit.scope, receive, visit.send)
        except ClientDisconnect:
            visit.status = 499
        except Exception as error:
            self.services.journal.failure("failed", error, request_id=visit.id, route=visit.route)
            if visit.status is None:
                await visit.refuse("internal", "an error of the server; the log has it by this request_id")
        finally:
            self.in_work -= 1

    def _note(self, visit: Visit) -> None:
        took = time.perf_counter() - visit.began
        gauges, method, status = self.services.gauges, visit.scope["method"], visit.status or 499
        # The method is the sender's word; only known ones become labels.
        known = method if method in ("GET", "POST", "PUT", "DELETE", "HEAD") else "other"
        gauges.answered(visit.route, known, status, took)
        if status >= 400 or visit.route not in ALWAYS:
            self.services.journal.write(
                "request", request_id=visit.id, route=visit.route, method=known, status=status,
                ms=round(took * 1000, 2), key=visit.who,
            )  # fmt: skip


class Visit:
    """One request on its way through the gate."""

    def __init__(self, scope: Scope, send: Send, last: bool) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if OURS.fullmatch(given) else token_hex(8)
        self.scope = scope
        scope.setdefault("state", {})["request_id"] = self.id
        self.began = time.perf_counter()
        self.status: int | None = None
        self.headers = [(b"x-request-id", self.id.encode()), *SAFE]
        if last:
            # The server is about to stop: the client shall open its next connection elsewhere.
            self.headers.append((b"connection", b"close"))
        self._send = send

    @property
    def route(self) -> str:
        """The template of the route, never the path, which may hold a lead's id."""
        return getattr(self.scope.get("route"), "path", "unmatched")

    @property
    def who(self) -> str | None:
        """The public prefix of the caller's key."""
        caller = self.scope["state"].get("caller")
        return None if caller is None else str(caller.who)

    async def send(self, message: Message) -> None:
        """Adds our headers and notes the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(each for each in self.headers if each[0] not in present)]
        await self._send(message)

    async def refuse(self, code: str, detail: str) -> None:
        """Answers with a problem."""
        body = msgspec.json.encode(Problem(code, detail, self.id))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if code == "busy":
            headers.append((b"retry-after", b"1"))
        await self.send({"type": "http.response.start", "status": STATUS[code], "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
