"""Group commit: what many threads want to write at the same time goes to disk in one transaction."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from serving.store.database.failures import StoreError

Given = TypeVar("Given")
Made = TypeVar("Made")


class _Ticket(Generic[Given, Made]):
    """One submission, and what became of it."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.made: Made | None = None
        self.error: BaseException | None = None
        self.done = False


class GroupCommit(Generic[Given, Made]):
    """Gathers submissions: the thread whose turn it is writes its own and all that wait behind it.

    `write` takes submissions in order and returns one result for each; when it returns, they are on disk. There is no
    thread in the background: a submission that nobody else waits for is written at once.
    """

    def __init__(self, write: Callable[[Sequence[Given]], Sequence[Made]], most: int = 256) -> None:
        self._write = write
        self._most = most
        self._turn = threading.Lock()
        self._waiting: deque[_Ticket[Given, Made]] = deque()

    def submit(self, given: Given) -> Made:
        """Returns the result when it is on disk; raises what `write` raised."""
        ticket: _Ticket[Given, Made] = _Ticket(given)
        self._waiting.append(ticket)
        with self._turn:
            while not ticket.done:
                self._settle([self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))])
        if ticket.error is not None:
            raise ticket.error
        return ticket.made  # type: ignore[return-value]

    def _settle(self, group: Sequence[_Ticket[Given, Made]]) -> None:
        try:
            for ticket, made in zip(group, self._write([member.given for member in group]), strict=True):
                ticket.made, ticket.done = made, True
        except StoreError as error:
            self._fail(group, error)
        except Exception as error:
            if len(group) == 1:
                self._fail(group, error)
                return
            # One of them is to blame: the others must not suffer for it.
            for ticket in group:
                self._settle([ticket])
        except BaseException:
            self._fail(group, StoreError("writing was interrupted; it is not known what was stored, send it again"))
            raise

    @staticmethod
    def _fail(group: Sequence[_Ticket[Given, Made]], error: Exception) -> None:
        for ticket in group:
            ticket.error, ticket.done = error, True
