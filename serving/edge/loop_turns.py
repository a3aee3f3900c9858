"""Short computations on the event loop, in turns: whoever connects or asks for the server's health waits for one turn.

A thread would be slower: while the loop has much to do, a thread gets the interpreter only every 5 ms, anew after each
call of numpy that gives it away.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from serving.edge.retry_after import RetryAfter
from serving.edge.waiting_line import WaitingLine

P = ParamSpec("P")
T = TypeVar("T")
LOOKS = 3
"""So often the loop looks at sockets between two turns: who comes anew is let in, read and answered in one pause."""
TURN_S = 0.002
"""So long computations may take before the loop looks at sockets again; one is always finished."""


class LoopTurns:
    """Kinds of short work that share the loop, each with a bound on what waits; in turns between kinds."""

    def __init__(self) -> None:
        self.kinds: deque[LoopWork] = deque()
        self.is_called = False
        self.looks = 0

    def call(self) -> None:
        """Has work done in the next turn of the loop."""
        if not self.is_called:
            self.is_called = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        if self.looks:
            self.looks -= 1
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self.is_called = False
        end = time.perf_counter() + TURN_S
        while any(kind.queue for kind in self.kinds):
            kind = self.kinds[0]
            self.kinds.rotate(-1)
            if kind.queue:
                kind.work_off()
                if time.perf_counter() >= end:
                    break
        if any(kind.queue for kind in self.kinds):
            self.looks = LOOKS
            self.call()


class LoopWork:
    """One kind of work on the loop; see `WaitingLine`."""

    def __init__(
        self, turns: LoopTurns, name: str, most: int, patience_s: float, retry: RetryAfter | None = None
    ) -> None:
        self.turns, self.name = turns, name
        self.line = WaitingLine(name, most, patience_s, retry)
        self.queue: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        turns.kinds.append(self)

    @property
    def waiting(self) -> int:
        """How much waits."""
        return len(self.queue)

    def check(self) -> None:
        """As `Bulkhead.check`."""
        if self.queue:
            self.line.check(len(self.queue))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises, when it was its turn. Raises Refused, busy."""
        self.check()
        future = asyncio.get_running_loop().create_future()
        self.line.enter()
        self.queue.append((future, partial(work, *args, **kwargs)))
        self.turns.call()
        result: T = await future
        return result

    def work_off(self) -> None:
        """Does what has waited longest, unless nobody waits for it any more."""
        future, work = self.queue.popleft()
        try:
            if not future.done():
                future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        finally:
            self.line.leave()
