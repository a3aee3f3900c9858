"""Connections of one server to its database: not more than so many, in turn, and given back when nobody uses them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from sqlalchemy.exc import TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from serving.store.database.failures import is_too_many

AGAIN_S = 0.05
"""Where the database has no room for one more, it is asked again so often."""


class FairPool(Pool):
    """Hands connections to threads in the order in which they came.

    SQLAlchemy's own pool keeps what it has opened for good, and lets a thread that has just come take the connection
    for which another one waits. Raises TimeoutError when none is free within `timeout` seconds.
    """

    def __init__(
        self, creator: Any, pool_size: int = 8, timeout: float = 5.0, idle_s: float = 20.0, **rest: Any
    ) -> None:
        super().__init__(creator, **rest)
        self._size, self._timeout, self._idle_s = pool_size, timeout, idle_s
        self._lock = threading.Lock()
        self._free = pool_size
        self._waiting: deque[threading.Event] = deque()
        self._idle: list[tuple[float, ConnectionPoolEntry]] = []
        """Since when, the newest last."""

    def _do_get(self) -> ConnectionPoolEntry:
        until = time.monotonic() + self._timeout
        self._enter(until)
        try:
            return self._opened(until)
        except BaseException:
            self._leave()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        now = time.monotonic()
        with self._lock:
            if record.dbapi_connection is not None:  # else it was lost
                self._idle.append((now, record))
            old = [entry for since, entry in self._idle if now - since > self._idle_s]
            self._idle = self._idle[len(old) :]
        self._leave()
        for entry in old:
            entry.close()

    def _enter(self, until: float) -> None:
        """Waits for one's turn to have a connection."""
        turn = threading.Event()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            self._waiting.append(turn)
        if turn.wait(max(0.0, until - time.monotonic())):
            return
        with self._lock:
            if turn.is_set():  # in the last moment
                return
            self._waiting.remove(turn)
        raise TimeoutError(f"all {self._size} connections were in use for {self._timeout} s")

    def _leave(self) -> None:
        """Whoever waits longest is next."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def _opened(self, until: float) -> ConnectionPoolEntry:
        """The connection that was used last, else a new one, as soon as the database has room for it."""
        while True:
            with self._lock:
                if self._idle:
                    return self._idle.pop()[1]
            try:
                return self._create_connection()
            except Exception as error:
                if not is_too_many(error) or time.monotonic() > until:
                    raise
            time.sleep(AGAIN_S)

    def status(self) -> str:
        """In words, for a log."""
        return f"{self._size} at most, {self._size - self._free} in use, {len(self._idle)} idle"

    def recreate(self) -> FairPool:
        """A new one of the same kind; SQLAlchemy asks for it when it disposes of this one."""
        return type(self)(
            self._creator,
            self._size,
            self._timeout,
            self._idle_s,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Closes what is idle; what is in use is closed when it comes back."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, entry in idle:
            entry.close()
