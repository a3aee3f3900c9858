"""Clients that mean no good, or are many: over real sockets, one thread for all of them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from serving.messages.examples import LEAD

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
HALF_HEAD = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_SIGN_IN = (
    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 60\r\n\r\nname=anna&passw"
)


def half_sent(port: int, count: int, sent: bytes, address: str = "127.0.0.2") -> list[socket.socket]:
    """So many connections that begin a request and do not end it; those that are not let in are missing."""
    made = []
    for _ in range(count):
        client = socket.socket()
        client.settimeout(5)
        try:
            client.bind((address, 0))
            client.connect(("127.0.0.1", port))
            client.sendall(sent)
        except OSError:
            client.close()
        else:
            made.append(client)
    return made


def request_of(method: str, path: str, body: object = None) -> bytes:
    """The bytes of a request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and head of an answer that is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1]), head


class Askers:
    """Clients that ask the same over and over, each on a connection of its own, whatever they are told."""

    def __init__(self, port: int, count: int, request: bytes) -> None:
        self.port, self.count, self.request = port, count, request
        self.answers: Counter[int] = Counter()
        self.without_retry_after = 0

    async def __aenter__(self) -> Askers:
        self.tasks = [asyncio.create_task(self._ask()) for _ in range(self.count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds; raises what ended a client."""
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)

    async def health(self) -> int:
        """The status of health for a client that has just come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request_of("GET", "/v2/health/live"))
        status, _ = await asyncio.wait_for(answer_of(reader), 60)
        writer.close()
        return status

    async def _ask(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    while True:
                        writer.write(self.request)
                        status, head = await answer_of(reader)
                        self.answers[status] += 1
                        self.without_retry_after += status == 429 and b"retry-after: " not in head
                finally:
                    writer.close()


SCORE = request_of("POST", "/v1/score", LEAD)
REASONS = request_of("POST", "/v1/score?reasons=true", LEAD)
