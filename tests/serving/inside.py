"""Asks a server within the test's own process: no socket, else all the way through the application."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class Inside:
    """A client of an application. `send` takes any bytes, also those that no client would send."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://inside", timeout=60)

    def __call__(self, method: str, url: str, **options: Any) -> httpx.Response:
        """One request."""
        return self.runner.run(self.client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self("PUT", url, **options)

    def close(self) -> None:
        """Ends the event loop."""
        self.runner.run(self.client.aclose())
        self.runner.close()
