"""What a server answers when more and more ask: goodput, refusals, and health for those who come anew in between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import numpy as np

from benchmarks.harness import Row

CONNECTIONS = (8, 64, 256, 1000)
HEALTH = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAUSE_S = 0.05


class Crowd:
    """Clients that ask at once, each on a connection of its own, again as soon as they are answered or refused."""

    def __init__(
        self, port: int, request: Callable[[int], bytes], answer: Callable[[asyncio.StreamReader], Awaitable[int]]
    ) -> None:
        self.port, self.request, self.answer = port, request, answer
        self.statuses: Counter[int] = Counter()
        self.times = [0.0][:0]
        self.health = [0.0][:0]

    async def ask(self, count: int, seconds: float) -> Row:
        """What they get within so many seconds."""
        # All are connected before the clock runs: the client needs a while for that too.
        connected = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(count)]
        end = time.perf_counter() + seconds
        clients = [asyncio.create_task(self._client(*pair, number, end)) for number, pair in enumerate(connected)]
        tasks = [*clients, asyncio.create_task(self._watcher(end))]
        await asyncio.wait(tasks, timeout=seconds + 10)
        for task in tasks:
            task.cancel()
        return {
            "connections": count,
            "answered/s": round(len(self.times) / seconds, 1),
            "refused/s": round((self.statuses.total() - len(self.times)) / seconds, 1),
            "p50_ms": _ms(self.times, 0.5),
            "p99_ms": _ms(self.times, 0.99),
            "health_p50_ms": _ms(self.health, 0.5),
            "health_p99_ms": _ms(self.health, 0.99),
        }

    async def _client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, end: float
    ) -> None:
        turn = number
        while time.perf_counter() < end:
            turn += 1
            await self._asked(reader, writer, self.request(turn))
        writer.close()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        began = time.perf_counter()
        writer.write(request)
        status = await self.answer(reader)
        self.statuses[status] += 1
        if status == 200:
            self.times.append(time.perf_counter() - began)

    async def _watcher(self, end: float) -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(HEALTH)
                await self.answer(reader)
                writer.close()
            self.health.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_S)


def _ms(times: list[float], share: float) -> float:
    return round(float(np.quantile(times, share)) * 1000, 1) if times else float("nan")
