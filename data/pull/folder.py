"""The folder of a vendor's pulls: where one that is under way lands, and who may write there.

An erasure looks there too, in a server that needs no engine of an ingest: so that is not imported here.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.contract import UsageError

LANDING = "landing"
"""Below it lies what is under way, and nothing else."""


@contextmanager
def only_puller(folder: Path) -> Iterator[None]:
    """One pull at a time into a folder; a second one is told so (UsageError). The lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pull.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another pull is writing to {folder}; wait until it is done") from None
        yield
