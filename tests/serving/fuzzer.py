"""A raw byte fuzzer: requests with every kind of damage, sent straight into the application, no client in between."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.routing import Route

from serving.http.openapi import methods_of
from serving.messages.examples import BATCH, INGEST, LEAD, PROFILE

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
BODIES = tuple(json.dumps(each).encode() for each in (LEAD, BATCH, INGEST, PROFILE, {"objects": True}, {"event": None}))
IDS = ("L1", "%00", "%ED%A0%80", "%FF", "..", "%2e%2e%2f", "a" * 300, "%F0%9F%92%A9", "'%20OR%201=1", "%0d%0aX")
QUERIES = (
    "", "features=true", "reasons=true&features=true", "as_of=0001-01-01T00:00:00%2B14:00", "as_of=%FF", "limit=1e9",
    "limit=-1", "cursor=%00", "cursor=e30", "profile=employees:NaN", "profile=:", "profile=a:b&profile=a:c", "order=x",
    "score_from=nan", "score_to=1e999", "changed_since=9999-12-31T23:59:59-14:00", "stage=%ED%A0%80", "x=" + "y" * 5000,
    "=&&==&", "after=99999999999999999999", "after=%D9%A1",
)  # fmt: skip
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"text/plain"), (b"content-type", b"\xff\xfe"), (b"content-length", b"99999999999999999999"),
    (b"content-length", b"-1"), (b"content-length", b"abc"), (b"accept-language", b"\xff" * 300),
    (b"accept-language", b"de;q=1e999,en;q=nan,de;q=" + b"9" * 5000), (b"x-request-id", b"\x80"),
    (b"idempotency-key", b"\xe4" * 10), (b"idempotency-key", b"k" * 5000), (b"idempotency-key", b"same"),
    (b"authorization", b"Bearer \xff\xff"), (b"authorization", b"Basic " + b"A" * 9000), (b"host", b"\xff"),
)  # fmt: skip


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
    """Draws requests for all routes of an application and sends them; the same seed gives the same requests."""

    def __init__(self, app: Starlette, seed: int) -> None:
        self.app = app
        self.rng = np.random.default_rng(seed)
        routes = [route for route in app.routes if isinstance(route, Route)]
        self.routes = [(method, route.path) for route in routes for method in methods_of(route)]
        self.statuses: dict[int, int] = {}

    def run(self, runner: asyncio.Runner, cases: int) -> list[Failure]:
        """Sends so many requests; whatever must not have happened."""
        return [failure for _ in range(cases) if (failure := runner.run(self._try(self._case()))) is not None]

    def _case(self) -> Case:
        method, path = self._one(self.routes)
        if self._maybe(0.05):
            method = self._one(("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"))
        # What is erased stays erased, so the usual lead is not the one that is deleted.
        known = "L1" if method == "DELETE" else "L-1001"
        lead, number = (self._one(IDS) if self._maybe(0.3) else usual for usual in (known, "1"))
        path = path.replace("{lead_id}", lead).replace("{number}", number)
        headers = {b"content-type": b"application/json"}
        if self._maybe(0.2):
            headers.update([self._one(HEADERS)])
        body = self._damaged(self._one(BODIES)) if method in ("POST", "PUT", "PATCH") or self._maybe(0.1) else b""
        query = self._one(QUERIES).encode() if self._maybe(0.4) else b""
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
        return among[int(self.rng.integers(0, len(among)))]

    def _maybe(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    async def _try(self, case: Case) -> Failure | None:
        began = time.perf_counter()
        try:
            status, body = await send(self.app, case)
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}", case)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status >= 500:
            return Failure(f"status {status}: {body[:300]!r}", case)
        if b"Traceback" in body or b"site-packages" in body:
            return Failure("a traceback in the body", case)
        if status >= 400 and len(body) >= 2048:
            return Failure(f"a refusal of {len(body)} bytes", case)
        return Failure("a hang", case) if time.perf_counter() - began > HANG_S else None


async def send(app: Starlette, case: Case) -> tuple[int, bytes]:
    """Status and body that the application gives to a request."""
    waiting = [{"type": "http.request", "body": each, "more_body": True} for each in case.chunks]
    waiting[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def note(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": case.method, "scheme": "http",
        "path": unquote(case.path), "raw_path": case.path.encode(), "query_string": case.query, "root_path": "",
        "headers": list(case.headers), "client": ("127.0.0.1", 1), "server": ("inside", 80),
    }  # fmt: skip
    await app(scope, receive, note)
    status = next(each["status"] for each in sent if each["type"] == "http.response.start")
    return status, b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body")
