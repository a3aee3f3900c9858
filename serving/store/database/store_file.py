"""The file of a store on SQLite: private from its first byte, and missed when it is removed, replaced or damaged."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path

from serving.store.database.failures import StoreDamaged

BESIDE = ("", "-wal", "-shm")
"""The file, its write-ahead log, and the index of that."""
PRIVATE = 0o600
LOG_BEGINS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""How a write-ahead log begins that is not empty; see https://www.sqlite.org/fileformat2.html"""
MAGIC = b"SQLite format 3\0"
LOG_HEAD, FRAME_HEAD = 32, 24
"""Bytes before the frames of a log, and before the page of each: its number, and the salt of the log it is of."""
CHECKPOINT_S = 1.0
"""For so long a file may not fit together: a checkpoint is being written, page by page."""

Identity = tuple[int, int] | None
"""Device and number of a file, None for none."""


class StoreFile:
    """The file at a path, and which one it was when it was first opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first: Identity = None
        self._reader: int | None = None

    def make(self) -> None:
        """Before SQLite opens it: makes the file where there is none, for its owner alone; SQLite gives what it puts
        beside it the same rights. Raises StoreDamaged when it is another than at first.
        """
        if self._first is None:
            # What goes wrong here, SQLite meets too, and says better.
            with suppress(OSError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
            for name in BESIDE:
                with suppress(OSError):
                    _restrict(f"{self.path}{name}")
            self._first = _identity(str(self.path))
        elif _identity(str(self.path)) != self._first:
            raise StoreDamaged(self._gone)

    def files(self) -> tuple[Identity, ...]:
        """Which files a connection has just opened."""
        return tuple(_identity(f"{self.path}{name}") for name in BESIDE)

    def read(self, start: int, size: int) -> bytes:
        """Bytes as they lie on disk, fewer at the end. The descriptor stays open as long as SQLite's own.

        Closing any descriptor of a file takes all locks of its process on it away. Another process that closes the
        store would then think itself the last one, and remove the write-ahead log that this one writes to.
        """
        if self._reader is None:
            self._reader = os.open(self.path, os.O_RDONLY)
        return os.pread(self._reader, size, start)

    def close(self) -> None:
        """Closes what `read` has opened; SQLite's connections are closed before."""
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def check(self, files: tuple[Identity, ...]) -> None:
        """Raises StoreDamaged when the files are others than those that a connection has opened."""
        if self.files() != files:
            raise StoreDamaged(self._gone)

    def check_content(self, files: tuple[Identity, ...]) -> None:
        """The same, also for a file or log that was overwritten or cut."""
        self.check(files)
        until = time.monotonic() + CHECKPOINT_S
        while not self._is_whole():
            if time.monotonic() > until:
                raise StoreDamaged(
                    f"{self.path} was overwritten or cut; nothing is acknowledged any more. Stop what uses it and put "
                    "a backup in its place, see docs/operations.md"
                )
            time.sleep(0.02)

    def _is_whole(self) -> bool:
        """Whether the file as it is on disk says that it is a database of its size, and its log that it is one."""
        # SQLite itself opens the file: a process that closes it by other means loses its locks on it.
        fresh = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            fresh.execute("PRAGMA schema_version").fetchone()
            return self.path.stat().st_size > 0 and _first_bytes(f"{self.path}-wal") in (b"", *LOG_BEGINS)
        except sqlite3.DatabaseError:
            return self._rest_is_logged()
        except OSError:
            return False
        finally:
            fresh.close()

    def _rest_is_logged(self) -> bool:
        """Whether all pages that the file is short of stand in its log.

        A checkpoint that somebody who reads holds up may have written the first page, which says how many there are,
        and left the last ones for later; so it stays for as long as that takes.
        """
        try:
            head = self.read(0, 100)
            if not head.startswith(MAGIC):
                return False
            size = {1: 65_536}.get(written := int.from_bytes(head[16:18]), written)
            there, said = self.path.stat().st_size // size, int.from_bytes(head[28:32])
            return there < said and set(range(there + 1, said + 1)) <= _logged(f"{self.path}-wal", size)
        except (OSError, ZeroDivisionError):
            return False

    @property
    def _gone(self) -> str:
        return (
            f"{self.path} was removed or replaced while it was in use; nothing is acknowledged any more. Put it back, "
            "or restart what uses it, see docs/operations.md"
        )


def _identity(path: str) -> Identity:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4)
    except FileNotFoundError:
        return b""


def _logged(path: str, size: int) -> set[int]:
    """Numbers of the pages that a write-ahead log holds. size: of a page, in bytes."""
    with open(path, "rb") as file:
        begins, numbers = file.read(LOG_HEAD), set[int]()
        while len(frame := file.read(FRAME_HEAD)) == FRAME_HEAD and frame[8:16] == begins[16:24]:
            numbers.add(int.from_bytes(frame[:4]))
            file.seek(size, os.SEEK_CUR)
        return numbers


def _restrict(path: str) -> None:
    status = os.stat(path)
    if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(path, PRIVATE)
