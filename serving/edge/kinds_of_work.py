"""Which kinds of work there are: what each may use at once, and how much of it may wait."""

from __future__ import annotations

from serving.edge.bulkhead import Bulkhead
from serving.edge.loop_turns import LoopTurns, LoopWork
from serving.edge.retry_after import RetryAfter


class KindsOfWork:
    """What waits is at most some seconds of work of its kind, so that what is let in is answered in time.

    Threads that ask the store are together no more than its connections, so that none waits for one.

    scores, reasons: short computations on the event loop. long: batches and long histories, one at a time; side by side
    their threads would only wait for the interpreter. by_id: scores of stored leads. reads: lists and details. writes:
    many threads, because they share commits. pages: what people look at. sign_in: argon2, which takes a core and 64 MB.
    returning: the same for browsers that have signed in before, so that a flood of strangers keeps nobody out of work.
    health: the store's pulse.

    is_far: whether the store is another machine's, for which a thread waits while others work; of one that is read in
    this process, two readers would only wait for the interpreter.
    """

    def __init__(self, is_far: bool = False) -> None:
        turns, retry = LoopTurns(), RetryAfter()
        self.scores = LoopWork(turns, "scores", 2048, 1.0, retry)
        self.reasons = LoopWork(turns, "reasons", 128, 0.5, retry)
        self.long = Bulkhead("batches", 1, 8, retry=retry)
        self.by_id = Bulkhead("scores by id", 2 if is_far else 1, 128, 0.5, retry)
        self.reads = Bulkhead("reads", 2, 128, retry=retry)
        self.writes = Bulkhead("writes", 8, 256, retry=retry)
        self.pages = Bulkhead("pages", 4, 128, retry=retry)
        self.sign_in = Bulkhead("sign-ins", 1, 32, retry=retry)
        self.returning = Bulkhead("sign-ins of known browsers", 1, 32, retry=retry)
        self.health = Bulkhead("health", 1, 64)

    def kinds(self) -> list[Bulkhead | LoopWork]:
        """All of them."""
        return list(vars(self).values())
