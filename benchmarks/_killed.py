"""A compaction that is killed at random moments: the log is the old one or the new one each time, and says the same."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

LATE = 10
"""Times the usual duration after which a compaction counts as stuck."""
CHILD = """import sys
from pathlib import Path
import benchmarks.append, data.log.compaction
benchmarks.append._imports()
print("ready", flush=True)
data.log.compaction.compact(Path(sys.argv[1]))"""


def kill(log: str, copy: str, number: int, seconds: float) -> Mapping[str, Any]:
    """Kills a compaction of a log at a random moment of the time that it takes, 0 for not at all, and looks at the log.

    What a kill leaves behind stays for the next one; only a log that was woven is brought back from what is kept.
    Raises RuntimeError where it is neither as it was nor as it should be.
    """
    if not Path(copy).exists():
        link(Path(log), Path(copy))
    before = files_of(Path(copy))
    child = subprocess.Popen([sys.executable, "-c", CHILD, log], stdout=subprocess.PIPE, text=True)
    if child.stdout is None or child.stdout.readline() != "ready\n":
        raise RuntimeError("the compaction did not start")
    begun = time.monotonic()
    try:
        child.wait(timeout=random.Random(number).uniform(0, seconds) if seconds else None)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
    took = time.monotonic() - begun
    killed = child.returncode == -signal.SIGKILL
    is_woven = _is_woven(Path(log), before)
    if not killed and (child.returncode or not is_woven):
        raise RuntimeError(f"a compaction that nobody killed ended with {child.returncode}, woven: {is_woven}")
    if is_woven:
        shutil.rmtree(log)
        link(Path(copy), Path(log))
    return {"killed": killed, "woven": is_woven, "after_s": round(took, 2)}


def link(log: Path, to: Path) -> None:
    """Parts are never changed once they are there: another name for the same file is a copy."""
    shutil.copytree(log, to, copy_function=os.link, ignore=shutil.ignore_patterns("writer.lock", "staging"))


def _is_woven(log: Path, before: Mapping[str, tuple[int, int]]) -> bool:
    """Whether a log that was left behind is woven; raises RuntimeError where that, or the old one, is not whole."""
    from data.log.eventlog import EventLog

    opened, here = EventLog.open(log), files_of(log)
    if len(opened.folders) > 1:
        if {path: here.get(path) for path in before} != before:
            raise RuntimeError("the old log has lost files")
        return False
    counted = sum(opened.bucket(number).n_events for number in range(opened.n_buckets))
    if counted != opened.manifest.n_events:
        raise RuntimeError("the new log has lost events")
    return True


def files_of(log: Path) -> dict[str, tuple[int, int]]:
    """The files of a log's parts: which each is on disk, and how long."""
    folders = [path for path in log.iterdir() if path.is_dir() and path.name != "staging"]
    return {
        str(path.relative_to(log)): (path.stat().st_ino, path.stat().st_size)
        for folder in folders for path in folder.iterdir()
    }  # fmt: skip


def content(log: str) -> Mapping[str, Any]:
    """What all histories of a log say, as one hash."""
    from data.log.eventlog import EventLog

    opened, whole = EventLog.open(Path(log)), hashlib.sha256()
    for number in range(opened.n_buckets):
        histories = opened.bucket(number)
        rank = np.argsort(np.argsort(histories.types))
        for array in (histories.known_at, histories.occurred_at, histories.value, rank[histories.event_type]):
            whole.update(np.ascontiguousarray(array).data)
        whole.update("\n".join(histories.lead_ids.to_pylist()).encode())
    return {"hash": whole.hexdigest()[:16]}
