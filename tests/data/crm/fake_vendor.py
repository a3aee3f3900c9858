"""A vendor on the loopback: pages, throttles, fails and cuts connections, and counts who does not wait.

Time is the vendor's own: `sleep` of those who ask it moves it on. A fake in another process has the real one.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Any]
Validate = Callable[[str, str, Mapping[str, str], Any], None]


@dataclass
class Trouble:
    """What goes wrong at which requests, by number: every so many-th of them."""

    throttled: int = 0
    failing: int = 0
    cut: int = 0
    short: int = 0
    wait_s: float = 2.0

    def of(self, number: int) -> str:
        """What happens to a request."""
        kinds = {"throttled": self.throttled, "failing": self.failing, "cut": self.cut, "short": self.short}
        return next((kind for kind, every in kinds.items() if every and number % every == every - 1), "")


@dataclass
class FakeVendor:
    """What all fakes share. account: whose the token is. validate: raises for a request that the vendor's own
    description does not allow."""

    token: str = "secret-token-of-the-fake"
    account: int = 4711
    trouble: Trouble = field(default_factory=Trouble)
    validate: Validate | None = None
    real_time: bool = False
    clock_off_s: float = 0.0
    now: float = 1_735_689_600.0  # 2025-01-01
    requests: int = 0
    too_early: int = 0
    not_before: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    before: Callable[[int], None] = lambda number: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def clock(self) -> float:
        """Its time, as those who ask it see it."""
        return time.time() if self.real_time else self.now

    def sleep(self, seconds: float) -> None:
        """How those who ask it wait."""
        with self.lock:
            self.now += seconds

    def authorized(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has the token."""
        return headers.get("Authorization") == f"Bearer {self.token}"

    def wait_headers(self) -> dict[str, str]:
        """How the vendor says how long to wait."""
        return {"Retry-After": f"{self.trouble.wait_s:g}"}

    def answer(self, method: str, path: str, params: Mapping[str, str], body: Any) -> Answer:
        """What the vendor says."""
        raise NotImplementedError

    def handle(self, method: str, url: str, headers: Mapping[str, str], raw: bytes) -> tuple[int, Any, str]:
        """Status, answer and what goes wrong with it."""
        with self.lock:
            self.requests += 1
            self.before(self.requests)
            if self.clock() < self.not_before - 0.001:
                self.too_early += 1
            trouble = self.trouble.of(self.requests)
            if trouble == "throttled":
                self.not_before = self.clock() + self.trouble.wait_s
                return 429, {"status": "error", "message": "too many requests"}, trouble
            if trouble == "failing":
                return 503, {"status": "error", "message": "try later"}, trouble
            parts = urlsplit(url)
            self.asked[parts.path] += 1
            params = dict(parse_qsl(parts.query))
            is_form = "form" in headers.get("Content-Type", "")
            body = dict(parse_qsl(raw.decode())) if is_form else json.loads(raw) if raw else None
            if not self.authorized(headers) and not is_form:
                return 401, {"status": "error", "message": f"no such token {headers}"}, ""
            if self.validate is not None:
                try:
                    self.validate(method, parts.path, params, body)
                except Exception as error:  # what is wrong is told by the test
                    self.refused.append(f"{method} {url}: {error}")
                    return 400, {"message": str(error)[:200]}, ""
            return *self.answer(method, parts.path, params, body), trouble


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for a fake."""

    vendor: FakeVendor
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        vendor = self.vendor
        status, answer, trouble = vendor.handle(self.command, self.path, dict(self.headers.items()), raw)
        if trouble == "cut":
            self.close_connection = True
            self.connection.shutdown(2)
            return
        text = json.dumps(answer).encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(vendor.clock() + vendor.clock_off_s, usegmt=True))
        if trouble == "throttled":
            for name, value in vendor.wait_headers().items():
                self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if trouble == "short":
            self.wfile.write(text[: len(text) // 2])
            self.close_connection = True
            return
        self.wfile.write(text)

    def do_GET(self) -> None:
        """GET."""
        self._serve()

    def do_POST(self) -> None:
        """POST."""
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def served(vendor: FakeVendor) -> Iterator[str]:
    """The address of a fake, for as long as it is there."""
    handler = type("Served", (Handler,), {"vendor": vendor})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
