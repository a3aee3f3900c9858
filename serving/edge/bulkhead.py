"""A kind of work with threads of its own, and a bound on what waits for them: what is let in is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from anyio import CapacityLimiter, to_thread

from serving.edge.retry_after import RetryAfter
from serving.edge.waiting_line import WaitingLine

A = TypeVarTuple("A")
T = TypeVar("T")
QUEUED_AT_MOST_S = 5.0


class Bulkhead:
    """Runs work in threads, first come first served; one kind of work cannot hold up another. See `WaitingLine`."""

    def __init__(
        self, name: str, threads: int, most: int, patience_s: float = QUEUED_AT_MOST_S, retry: RetryAfter | None = None
    ) -> None:
        self.name = name
        self.line = WaitingLine(name, most, patience_s, retry)
        self.limiter = CapacityLimiter(threads)

    @property
    def waiting(self) -> int:
        """How much waits or is done."""
        return self.line.inside

    def check(self) -> None:
        """Raises Refused, busy, when too much waits already: to be asked before a body is read."""
        self.line.check(self.line.inside - int(self.limiter.total_tokens))

    async def run(self, work: Callable[[Unpack[A]], T], *args: *A) -> T:
        """What `work` returns or raises, when a thread was free for it. Raises Refused, busy."""
        self.check()
        self.line.enter()
        try:
            return await to_thread.run_sync(work, *args, limiter=self.limiter)
        finally:
            self.line.leave()
