"""A file is replaced as a whole or not at all, and never what someone else has written meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from data.contract import DataError
from data.log.manifest import sync

TRIES = 5
Rewrite = Callable[[Path, Path], int]
"""Writes what a file holds without some rows to another one; says how many rows that are, 0 for nothing to do."""


def rewrite_file(path: Path, rewrite: Rewrite) -> int:
    """Rewrites a file in place, on disk when this returns; says how many rows are gone.

    Raises DataError where the file is written to all the time, OSError where it cannot be replaced.
    """
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        for _ in range(TRIES):
            before = _state(path)
            rows = rewrite(path, draft)
            if not rows:
                return 0
            shutil.copymode(path, draft)
            sync(draft)
            if _state(path) == before:
                os.replace(draft, path)
                sync(path.parent)
                return rows
    finally:
        draft.unlink(missing_ok=True)
    raise DataError("another program writes to it all the time")


def _state(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns
