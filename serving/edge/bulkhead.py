"""A kind of work with threads of its own, and a bound on what waits for them: what is let in is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from serving.messages.problems import Refused

P = ParamSpec("P")
T = TypeVar("T")


class Bulkhead:
    """Runs work in threads, first come first served; one kind of work cannot hold up another.

    name: in metrics. most: how much may wait for a thread; the rest is refused at once.
    """

    def __init__(self, name: str, threads: int, most: int) -> None:
        self.name, self.most = name, most
        self.waiting = 0
        self.limiter = CapacityLimiter(threads)

    def check(self) -> None:
        """Raises Refused, busy, when too much waits already: to be asked before a body is read."""
        if self.waiting >= self.most + self.limiter.total_tokens:
            raise busy(self.name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises, when a thread was free for it. Raises Refused, busy."""
        self.check()
        self.waiting += 1
        try:
            return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=self.limiter)
        finally:
            self.waiting -= 1


def busy(name: str) -> Refused:
    """The refusal of what would wait too long."""
    return Refused("busy", f"too much of this waits already ({name}); try again in a second", 1)
