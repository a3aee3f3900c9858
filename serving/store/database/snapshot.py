"""What one page sees of the store: all reads of a thread in one transaction, which ends before the thread writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection


class Snapshots(threading.local):
    """Of each thread the snapshot that it has, if it has one.

    What a page tells is then of one moment, and a page that reads fifteen times waits for one connection and one
    beginning. While a thread writes it has none: it would wait for a second connection while it keeps one, and would
    not see afterwards what it has written.
    """

    def __init__(self) -> None:
        self._has_one = False
        self._connection: Connection | None = None

    @contextmanager
    def one(self) -> Iterator[None]:
        """The reads of this thread are one snapshot until the block ends; a block within another one is part of it."""
        if self._has_one:
            yield
            return
        self._has_one = True
        try:
            yield
        finally:
            self._has_one = False
            self.end()

    @contextmanager
    def reading(self, connect: Callable[[], Connection]) -> Iterator[Connection]:
        """The connection of the snapshot, or one of its own where there is none. A read that fails ends the snapshot,
        whose transaction may be unusable."""
        if not self._has_one:
            with connect() as connection:
                yield connection
            return
        if self._connection is None:
            self._connection = connect()
        try:
            yield self._connection
        except BaseException:
            self.end()
            raise

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Within the block the thread has no snapshot; what it reads there has a connection of its own, and the first
        read after it begins the snapshot anew."""
        self.end()
        had_one, self._has_one = self._has_one, False
        try:
            yield
        finally:
            self._has_one = had_one

    def end(self) -> None:
        """Gives the connection back; the next read begins the snapshot anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
