"""A raw byte fuzzer: requests with every kind of damage, sent straight into the application, no client in between."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.routing import Route

from serving.http.openapi import methods_of, operation_of
from serving.messages.examples import BATCH, INGEST, LEAD, PROFILE, PROFILES
from tests.serving.fuzz_grammar import HEADERS, IDS, PAGES, USUAL, Grammar, Visits

HANG_S = 20.0
NASTY: tuple[bytes, ...] = (
    b"NaN", b"-Infinity", b"Infinity", b"1e999", b"-1e999", str(2**70).encode(), b"9" * 5000, b"0." + b"1" * 5000,
    b'"\\ud800"', b'"\\u0000"', b'"\x00"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b"[" * 100_000, b'{"a":' * 20_000,
    b"null", b"true", b"[]", b"{}", b'""', b'"' + b"x" * 100_000 + b'"', b"-0.0", b"1e-400", b"0x10", b"'a'",
    b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999Z"', b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-14:00"', b'"2024-02-30T00:00:00Z"', b'"2024-03-31T02:30:00"', b'"2016-12-31T23:59:60Z"',
    b"253402300800", b"-62135596801", b'"=cmd|\' /C calc\'!A0"', b'"<script>alert(1)</script>"', b'"../../etc/passwd"',
    '"\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH JOINER}"'.encode(),
)  # fmt: skip
SENT = (LEAD, BATCH, INGEST, PROFILE, PROFILES, {"objects": True}, {"event": None})
BODIES = tuple(
    json.dumps(body).encode() for body in (LEAD, BATCH, INGEST, PROFILE, PROFILES, {"objects": True}, {"event": None})
)
NEXT = (re.compile(rb'"next":"([^"]+)"'), re.compile(rb'[?&](?:amp;)?after=([^&"#]+)'))
"""Where answers and pages tell of the page that comes next."""
FORM = (b"content-type", b"application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Case:
    """One request, as bytes."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: tuple[bytes, ...]


@dataclass(frozen=True)
class Failure:
    """What must not have happened, and by which request."""

    what: str
    case: Case


class Fuzzer:
    """Draws requests for all routes of an application and sends them; the same seed gives the same requests.

    visits: whose session pages are asked for in; without, nobody is signed in.
    """

    def __init__(self, app: Starlette, seed: int, visits: Visits | None = None) -> None:
        self.app, self.visits = app, visits
        self.rng = np.random.default_rng(seed)
        self.grammar = Grammar(self.rng)
        self.routes = [
            (method, route.path, _names(route, method))
            for route in app.routes
            if isinstance(route, Route)
            for method in methods_of(route)
        ]
        self.statuses: dict[int, int] = {}

    def run(self, runner: asyncio.Runner, cases: int) -> list[Failure]:
        """Sends so many requests; whatever must not have happened. Lists are asked first, for cursors to forge."""
        return runner.run(self._run(cases))

    async def _run(self, cases: int) -> list[Failure]:
        # All in one task: threads that do the work end with the task that has begun them.
        for order in USUAL["order"]:
            case = Case("GET", "/v1/leads", f"limit=1&order={order}".encode(), (), (b"",))
            self.grammar.seen += _cursors((await send(self.app, case))[1])
        return [failure for _ in range(cases) if (failure := await self._try(self._case())) is not None]

    def _case(self) -> Case:
        method, path, names = self._one(self.routes)
        is_page = not path.startswith(("/v1", "/v2", "/metrics", "/openapi"))
        if self._maybe(0.05):
            method = self._one(("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"))
        # What is erased stays erased, so the usual lead is not the one that is deleted.
        known = "L1" if method == "DELETE" else "L-1001"
        lead, number, name = (self._one(IDS) if self._maybe(0.3) else usual for usual in (known, "1", "page.css"))
        for hole, text in (("{lead_id}", lead), ("{lead_id:path}", lead), ("{number}", number), ("{name}", name)):
            path = path.replace(hole, text)
        headers, token = {b"content-type": b"application/json"}, ""
        if is_page and self.visits is not None and self._maybe(0.9):
            token, form = self.visits()
            headers[b"cookie"] = f"leadscore={token}".encode()
        if self._maybe(0.2):
            headers.update([self._one(HEADERS)])
        query = self.grammar.parameters(names).encode() if names and self._maybe(0.6) else b""
        if not names and self._maybe(0.1):
            query = self.grammar.parameters(()).encode()
        if is_page and method == "POST":
            headers.update([FORM])
            erases = path == "/erasure"
            sent = self.grammar.parameters(names) if not erases else f"lead=L1&sure=yes&{self.grammar.value('x')}"
            body = f"form={form if token else ''}&{sent}".encode()
        else:
            body = self._damaged(self._one(BODIES)) if method in ("POST", "PUT", "PATCH") or self._maybe(0.1) else b""
        return Case(method, path, query, tuple(headers.items()), self._cut(body))

    def _damaged(self, body: bytes) -> bytes:
        for _ in range(int(self.rng.integers(0, 4))):
            at, to = sorted(self.rng.integers(0, len(body) + 1, 2).tolist())
            match int(self.rng.integers(0, 6)):
                case 0:
                    body = body[:at] + self.rng.bytes(int(self.rng.integers(1, 9))) + body[at:]
                case 1:
                    body = body[:at] + body[to:]
                case 2:
                    body = body[:at]
                case 3:
                    body = body[:to] + body[at:to] * int(self.rng.integers(1, 50)) + body[to:]
                case _:
                    body = self._value_replaced(body)
        return body

    def _value_replaced(self, body: bytes) -> bytes:
        """A value of the JSON becomes a nasty one."""
        places = [i for i, byte in enumerate(body) if byte == ord(":")]
        if not places:
            return bytes(self._one(NASTY))
        start = int(self._one(places)) + 1
        ends = [i for i in range(start, len(body)) if body[i : i + 1] in b",}]"]
        return body[:start] + bytes(self._one(NASTY)) + body[(ends or [len(body)])[0] :]

    def _cut(self, body: bytes) -> tuple[bytes, ...]:
        if self._maybe(0.9):
            return (body,)
        at = int(self.rng.integers(0, len(body) + 1))
        return body[:at], b"", body[at:]

    def _one(self, among: Any) -> Any:
        return self.grammar.one(among)

    def _maybe(self, share: float) -> bool:
        return self.grammar.maybe(share)

    async def _try(self, case: Case) -> Failure | None:
        began = time.perf_counter()
        try:
            status, body = await send(self.app, case)
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}", case)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.grammar.seen += _cursors(body)
        if status >= 500:
            return Failure(f"status {status}: {body[:300]!r}", case)
        if b"Traceback" in body or b"site-packages" in body:
            return Failure("a traceback in the body", case)
        if status >= 400 and body.startswith(b"{") and len(body) >= 2048:
            return Failure(f"a refusal of {len(body)} bytes", case)
        return Failure("a hang", case) if time.perf_counter() - began > HANG_S else None


def _cursors(body: bytes) -> list[str]:
    return [match[1].decode() for pattern in NEXT for match in pattern.finditer(body)]


def _names(route: Route, method: str) -> tuple[str, ...]:
    """The parameters that a route knows."""
    operation = operation_of(route)
    if operation is None:
        return PAGES.get(route.path, ())
    return tuple(parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query")


async def send(app: Starlette, case: Case) -> tuple[int, bytes]:
    """Status and body that the application gives to a request."""
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in case.chunks]
    waiting[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def note(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": case.method, "scheme": "http",
        "path": unquote(case.path), "raw_path": case.path.encode("latin-1", "replace"),
        "query_string": case.query, "root_path": "",
        "headers": list(case.headers), "client": ("127.0.0.1", 1), "server": ("inside", 80),
    }  # fmt: skip
    await app(scope, receive, note)
    status = next(event["status"] for event in sent if event["type"] == "http.response.start")
    return status, b"".join(event.get("body", b"") for event in sent if event["type"] == "http.response.body")
