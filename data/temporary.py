"""Temporary folders of ours: gone when their work is done, and swept when it was killed, since they may hold ids."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir

PREFIX, LOCK = "leadscore-", "lock"


@contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """A folder for as long as this lasts; kind: what its name says it is for."""
    with TemporaryDirectory(prefix=f"{PREFIX}{kind}-") as folder, (Path(folder) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(folder)


def sweep() -> None:
    """Removes what killed processes have left: whoever is erased must not outlive it in a temporary folder.

    The lock of a process ends with it; what another one is still at is left alone.
    """
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            rmtree(folder)
