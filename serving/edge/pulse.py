"""How something is that is slow to ask at times: asked anew for each answer, but answered within bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.edge.bulkhead import Bulkhead

T = TypeVar("T")
CHECK_S = 0.05
"""So long an answer waits for a check; if that takes longer, what the last one said holds for the moment."""
HOLDS_S = 5.0
"""So long that holds."""


class Pulse(Generic[T]):
    """Runs a check, once for all who ask meanwhile."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.asking: asyncio.Task[T] | None = None
        self.last: tuple[T, float] | None = None

    async def beat(self, check: Callable[[], T]) -> T:
        """What the check returns or raises, or what it returned a moment ago."""
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self._ask(check))
        asking = self.asking
        await asyncio.wait([asking], timeout=CHECK_S)
        if not asking.done() and self.last is not None and time.monotonic() - self.last[1] < HOLDS_S:
            return self.last[0]
        return await asyncio.shield(asking)

    async def _ask(self, check: Callable[[], T]) -> T:
        try:
            said = await self.bulkhead.run(check)
        except BaseException:
            self.last = None
            raise
        self.last = (said, time.monotonic())
        return said
