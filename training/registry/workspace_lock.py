"""The lock of a workspace: one command writes at a time, a second one is told which, and it dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from data.contract import DataError

NAME = "workspace.lock"
HELD = set[Path]()
"""The workspaces whose lock this process has: only once, a second time it would wait for itself."""


class Busy(DataError):
    """Another command is writing to the workspace."""


@contextmanager
def writing(workspace: Path, what: str) -> Iterator[None]:
    """Nobody else writes to a workspace, or reads what writers change, until this ends. Raises Busy: who does.

    `what` is what others are told, e.g. "leadscore train".
    """
    workspace.mkdir(parents=True, exist_ok=True)
    with (workspace / NAME).open("a+", encoding="utf-8") as lock:
        _take(lock, fcntl.LOCK_EX, workspace)
        _note(lock, {"what": what, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
        HELD.add(workspace.resolve())
        try:
            yield
        finally:
            HELD.discard(workspace.resolve())
            lock.truncate(0)


def is_ours(workspace: Path) -> bool:
    """Whether this process writes to a workspace."""
    return workspace.resolve() in HELD


@contextmanager
def reading(workspace: Path) -> Iterator[None]:
    """Nobody writes to a workspace until this ends, any number may read. Raises Busy.

    A workspace that cannot be written to has no writer to wait for.
    """
    try:
        lock = (workspace / NAME).open("a+", encoding="utf-8")
    except OSError:
        yield
        return
    with lock:
        _take(lock, fcntl.LOCK_SH, workspace)
        yield


def _take(lock: IO[str], kind: int, workspace: Path) -> None:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(f"{_holder(lock)} is at work in {workspace}; wait until it has ended") from None


def _holder(lock: IO[str]) -> str:
    """Who holds a lock, as far as it has been noted."""
    lock.seek(0)
    with suppress(ValueError, KeyError, TypeError):
        noted = json.loads(lock.read())
        return f"{noted['what']} (process {noted['pid']} on {noted['host']}, since {noted['since']} UTC)"
    return "another command"


def _note(lock: IO[str], holder: dict[str, object]) -> None:
    lock.truncate(0)
    lock.write(json.dumps(holder))
    lock.flush()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
