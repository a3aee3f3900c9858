"""One client's connection: uvicorn's, with limits of what a client may send and how long it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from secrets import token_hex
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from serving.edge.open_connections import OpenConnections
from serving.edge.retry_after import LATEST_S
from serving.messages.limits import Limits
from serving.messages.problems import STATUS
from serving.messages.schemas import Problem

LAST_S = 5.0
"""So long a client may take to read the last bytes of a connection that is ended."""
PIPELINED = 16
"""Requests that a client may send before it has an answer to the first."""


class Connection(HttpToolsProtocol):
    """A connection that tells for whom the server waits. address: see `Client`."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], connections: OpenConnections,
        limits: Limits, address: str,
    ) -> None:  # fmt: skip
        super().__init__(config, server_state, app_state, asyncio.get_running_loop())
        self.open_connections, self.limits, self.address = connections, limits, address
        self.head_began = self.is_ended = False
        self.slowed_s = 0.0
        self.head_bytes = 0

    @property
    def is_in_work(self) -> bool:
        """Whether a whole request waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def overdue(self, waited_s: float) -> bool:
        """Whether the client has taken too long; a body on its way has a limit of its own (`Bodies`)."""
        if self.flow is not None and self.flow.write_paused:
            return waited_s > self.limits.reading_s
        if self.cycle is None or self.head_began:
            return waited_s > self.limits.head_s
        if self.cycle.response_complete:
            return waited_s > (LAST_S if self.cycle.more_body else self.limits.idle_s)
        return False

    def send_away(self) -> None:
        """Ends the connection."""
        if self.transport is None:
            self.is_ended = True
        elif self.flow.write_paused:
            self.transport.abort()
        elif self.head_began or (self.cycle is not None and self.cycle.more_body):
            self.refuse("too_slow", "the request did not arrive in time")
        else:
            self._end()

    def slow_down(self, retry_after_s: float) -> None:
        """Has the next request wait as long as the client was told, unless those of other clients come by the same
        connection. People are not kept waiting for longer than LATEST_S."""
        if self.cycle is not None and not _is_passed_on(self.cycle.scope["headers"]):
            self.slowed_s = min(retry_after_s, LATEST_S)

    def refuse(self, code: str, detail: str) -> None:
        """Answers a request that reaches no route, and ends the connection."""
        if self.is_ended:
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = msgspec.json.encode(Problem(code, detail, token_hex(8)))
            head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[STATUS[code]] + head.encode() + body)
        self._end()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.is_ended:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_ended = True
        self.open_connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_ended:
            return
        began = self.head_began
        super().data_received(data)
        if began and self.head_began:
            self.head_bytes += len(data)
            self._check_head(self.head_bytes)

    def send_400_response(self, msg: str) -> None:
        self.refuse("malformed", "this is no request of HTTP/1.1")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_began, self.head_bytes = True, 0
        if not self.is_in_work:
            self.open_connections.waits(self)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if not self._check_head(size) or len(self.pipeline) >= PIPELINED:
            self._end()
            return
        self.head_began = False
        super().on_headers_complete()
        self.scope["state"]["slow_down"] = self.slow_down
        self.open_connections.waits(self)

    def on_body(self, body: bytes) -> None:
        if not self.is_ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.is_ended:
            super().on_message_complete()
            self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.is_ended:
            self._note()
            if self.slowed_s and not self.transport.is_closing():
                self.flow.pause_reading()
                self.loop.call_later(self.slowed_s, self._read_on)
                self.slowed_s = 0.0

    def pause_writing(self) -> None:
        super().pause_writing()
        self.open_connections.waits(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def timeout_keep_alive_handler(self) -> None:
        self.send_away()

    def _note(self) -> None:
        """Tells who waits for whom."""
        if self.is_in_work and not self.flow.write_paused:
            self.open_connections.is_served(self)
        else:
            self.open_connections.waits(self)

    def _check_head(self, size: int) -> bool:
        """Whether the head of a request is within its limits; else it is refused."""
        fits = size <= self.limits.head and len(self.headers) <= self.limits.headers
        if not fits:
            self.refuse("head_too_large", f"at most {self.limits.headers} headers, {self.limits.head} bytes in all")
        return fits

    def _read_on(self) -> None:
        if not self.is_ended:
            self.flow.resume_reading()

    def _end(self) -> None:
        self.is_ended = True
        if not self.transport.is_closing():
            self.transport.close()
            self.loop.call_later(LAST_S, self.transport.abort)


def _is_passed_on(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a proxy has sent a request: its connection carries requests of many clients."""
    return any(name == b"x-forwarded-for" for name, _ in headers)
