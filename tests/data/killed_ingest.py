"""An ingest in a process of its own, which kills itself at a chosen step.

Steps are the moments at which it is about to open, rename or remove something below the log, counted from 1.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import data.log.ingest
from data.contract import DataError
from data.log.manifest import Words, write_manifest
from data.log.merge import Tally, merge_bucket
from tests.data.exports import into

STEPS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")


class Executioner:
    """An audit hook that counts steps below a folder, and kills at one of them."""

    def __init__(self, folder: Path, point: int) -> None:
        self.folder, self.point, self.steps = str(folder), point, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and str(arguments[0]).startswith(self.folder):
            self.steps += 1
            if self.steps == self.point:
                os.kill(os.getpid(), signal.SIGKILL)


def manifest_too_early(draft: Path, log_path: Path, n_buckets: int, words: Words) -> Path:
    """Names the new generation while its files are still on their way, and takes the old one away first."""
    shutil.copytree(draft, log_path / draft.name)
    write_manifest(log_path, draft.name, n_buckets, words)
    shutil.rmtree(log_path / draft.name)
    for old in log_path.glob("generation-*"):
        shutil.rmtree(old)
    os.rename(draft, log_path / draft.name)
    return log_path / draft.name


def interrupted(*arguments: Any) -> Tally:
    """Stands for the merge of a bucket, during which Ctrl-C is pressed."""
    os.kill(os.getpid(), signal.SIGINT)
    return merge_bucket(*arguments)


def run(log: Path, file: str, point: int, trouble: str, outcome: Path) -> None:
    """Ingests, if it lives long enough; `outcome` then holds the number of steps, or the error.

    point: the step to be killed at, 0 for none. trouble: nothing, `manifest too early` (a planted fault), `ctrl-c`, or
    the greatest size in bytes to which a file may grow, which stands for a full disk.
    """
    if trouble == "manifest too early":
        vars(data.log.ingest)["publish"] = manifest_too_early
    elif trouble == "ctrl-c":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        vars(data.log.ingest)["merge_bucket"] = interrupted
    elif trouble:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(trouble), resource.RLIM_INFINITY))
    executioner = Executioner(log, point)
    sys.addaudithook(executioner)
    try:
        into(log, file)
        told = str(executioner.steps)
    except (DataError, KeyboardInterrupt) as error:
        told = f"{type(error).__name__}: {error}"
    outcome.write_text(told)
