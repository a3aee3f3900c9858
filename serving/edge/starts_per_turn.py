"""How many requests begin in one turn of the event loop: of a thousand that come at once, health waits for a few."""

from __future__ import annotations

import asyncio
from collections import deque

A_TURN = 16


class Starts:
    """Lets requests begin in the order in which they came, A_TURN in each turn of the loop."""

    def __init__(self) -> None:
        self.begun = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Returns when it is this request's turn: at once, unless many have come."""
        loop = asyncio.get_running_loop()
        if not self.begun:
            loop.call_soon(self._next)
        if self.begun < A_TURN and not self.waiting:
            self.begun += 1
            return
        future = loop.create_future()
        self.waiting.append(future)
        await future

    def _next(self) -> None:
        self.begun = min(A_TURN, len(self.waiting))
        if self.begun:
            asyncio.get_running_loop().call_soon(self._next)
        for _ in range(self.begun):
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(None)
