"""Which kinds of work there are: what each may use at once, and how much of it may wait."""

from __future__ import annotations

from serving.edge.bulkhead import Bulkhead
from serving.edge.loop_turns import LoopTurns, LoopWork


class Bulkheads:
    """What waits is at most some seconds of work of its kind, so that what is let in is answered in time.

    Threads that ask the store are together no more than its connections, so that none waits for one.

    scores, reasons: short computations on the event loop. long: batches and long histories, one at a time; side by side
    their threads would only wait for the interpreter. by_id: scores of stored leads. reads: lists and details. writes:
    many threads, because they share commits. pages: what people look at. sign_in: argon2, which takes a core and 64 MB.
    health: the store's pulse.
    """

    def __init__(self) -> None:
        turns = LoopTurns()
        self.scores, self.reasons = LoopWork(turns, "scores", 2048), LoopWork(turns, "reasons", 128)
        self.long = Bulkhead("batches", 1, 8)
        self.by_id = Bulkhead("scores by id", 2, 128)
        self.reads = Bulkhead("reads", 2, 128)
        self.writes = Bulkhead("writes", 8, 256)
        self.pages = Bulkhead("pages", 4, 128)
        self.sign_in = Bulkhead("sign-ins", 1, 32)
        self.health = Bulkhead("health", 1, 64)

    def kinds(self) -> list[Bulkhead | LoopWork]:
        """All of them."""
        return list(vars(self).values())
