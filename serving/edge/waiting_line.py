"""A line of work of one kind: whoever comes is let in if it is likely to be its turn soon, else refused at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from serving.edge.retry_after import RetryAfter
from serving.messages.problems import Refused

NEWEST = 0.1
"""How much the newest step counts for the pace."""


class WaitingLine:
    """name: in metrics. most: how many may wait. patience_s: who is likely to wait longer is refused at once.
    retry: for those.

    How fast a line moves is learnt from how it moved while somebody waited: of a slow machine, or of long work, less is
    let in. Nobody is refused while nobody waits. clock: seconds, of any origin.

    >>> now = [0.0]
    >>> line = WaitingLine("reasons", 100, 1.0, clock=lambda: now[0])
    >>> for _ in range(3): line.enter()
    >>> for now[0] in (0.4, 0.8): line.leave()
    >>> round(line.wait_s(2), 1)
    0.8
    """

    def __init__(
        self, name: str, most: int, patience_s: float, retry: RetryAfter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.name, self.most, self.patience_s, self.clock = name, most, patience_s, clock
        self.retry = RetryAfter(clock) if retry is None else retry
        self.inside = 0
        self.step_s = 0.0
        self.moved_at = clock()

    def wait_s(self, ahead: int) -> float:
        """How long it is likely to take until so many are done."""
        return ahead * self.step_s

    def check(self, ahead: int) -> None:
        """Raises Refused, busy, for one that comes when so many wait."""
        if ahead >= self.most or self.wait_s(ahead) > self.patience_s:
            raise Refused(
                "busy", f"too much of this waits already ({self.name}); come back as Retry-After says",
                self.retry.seconds(),
            )  # fmt: skip

    def enter(self) -> None:
        """Somebody was let in."""
        if not self.inside:
            self.moved_at = self.clock()
        self.inside += 1

    def leave(self) -> None:
        """Somebody is done: the line has moved by one since it last did."""
        now = self.clock()
        step = now - self.moved_at
        self.step_s = step if self.step_s == 0 else self.step_s + NEWEST * (step - self.step_s)
        self.moved_at, self.inside = now, self.inside - 1
