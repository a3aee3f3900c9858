"""What a server answers when more and more ask: goodput, refusals, and health for those who come anew in between."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Awaitable, Callable

import numpy as np

from benchmarks.harness import Row

CONNECTIONS = (8, 64, 256, 1000)
OK = 200


class Clients:
    """Clients that ask at once, each on a connection of its own, again as soon as they are answered or refused."""

    def __init__(
        self, port: int, request: Callable[[int], bytes], answer: Callable[[asyncio.StreamReader], Awaitable[int]]
    ) -> None:
        self.port, self.request, self.answer = port, request, answer
        self.statuses: Counter[int] = Counter()
        self.times = [0.0][:0]

    async def ask(self, count: int, seconds: float) -> Row:
        """What they get within so many seconds."""
        # All are connected before the clock runs: the client needs a while for that too.
        connected = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(count)]
        watcher = await _watcher(self.port, seconds)
        end = time.perf_counter() + seconds
        clients = [asyncio.create_task(self._client(*pair, number, end)) for number, pair in enumerate(connected)]
        await asyncio.wait(clients, timeout=seconds + 10)
        for client in clients:
            client.cancel()
        health = json.loads((await watcher.communicate())[0])
        return {
            "connections": count,
            "answered/s": round(self.statuses[OK] / seconds, 1),
            "refused/s": round((self.statuses.total() - self.statuses[OK]) / seconds, 1),
            "p50_ms": _ms(self.times, 0.5),
            "p99_ms": _ms(self.times, 0.99),
            "health_p50_ms": _ms(health, 0.5),
            "health_p99_ms": _ms(health, 0.99),
        }

    async def _client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, end: float
    ) -> None:
        turn, status = number, OK
        while time.perf_counter() < end:
            turn, before = turn + 1, status
            began = time.perf_counter()
            writer.write(self.request(turn))
            status = await self.answer(reader)
            if time.perf_counter() > end:
                break  # what waits at the end would else count as if it had come in time
            self.statuses[status] += 1
            # Who does not heed a refusal is not read for a while: that says nothing of how long an answer takes.
            if status == before == OK:
                self.times.append(time.perf_counter() - began)
        writer.close()


async def _watcher(port: int, seconds: float) -> Process:
    command = [sys.executable, "-m", "benchmarks.serving._watcher", str(port), str(seconds)]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE)


def _ms(times: list[float], share: float) -> float:
    return round(float(np.quantile(times, share)) * 1000, 1) if times else float("nan")
