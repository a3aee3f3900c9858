"""When those may come again who are turned away: the more of them, the later, so that refusing costs little."""

from __future__ import annotations

import time
from collections.abc import Callable

A_SECOND = 50
"""So many are told to come again in the same second."""
LATEST_S = 10


class RetryAfter:
    """Deals out seconds to wait. clock: seconds, of any origin.

    A thousand clients that all came again after a second would take a third of what the others get.

    >>> told = RetryAfter(lambda: 0.0)
    >>> [told.seconds() for _ in range(101)][::50], [told.seconds() for _ in range(900)][-1]
    ([1, 2, 3], 10)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.since, self.told = clock(), 0.0

    def seconds(self) -> int:
        """For the next one who is turned away."""
        now = self.clock()
        # Of those who were told before, so many have come since.
        self.told = max(0.0, self.told - (now - self.since) * A_SECOND)
        self.since = now
        seconds = min(1 + int(self.told) // A_SECOND, LATEST_S)
        self.told += 1
        return seconds
