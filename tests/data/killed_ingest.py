"""An ingest in a process of its own, which kills itself at a chosen step.

Steps are the moments at which it is about to open, rename or remove something below the log, counted from 1.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import data.intake.ingest
import data.intake.next_part
from data.contract import DataError
from data.intake.fresh import fresh_runs
from data.intake.replacement import rest_of
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.log.generations import publish
from data.log.manifest import Manifest, write_manifest
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


def manifest_too_early(drafts: Sequence[Path], log_path: Path, manifest: Manifest) -> None:
    """Names the new part while its files are still on their way, and takes those away first that it replaces."""
    write_manifest(log_path, manifest)
    for old in log_path.glob("generation-*"):
        if old.name not in manifest.parts:
            shutil.rmtree(old)
    for draft in drafts:
        os.rename(draft, log_path / draft.name)


def interrupted(*arguments: Any) -> Any:
    """Stands for the merge of a bucket, during which Ctrl-C is pressed."""
    os.kill(os.getpid(), signal.SIGINT)
    return fresh_runs(*arguments)


def taken_out_first(*arguments: Any) -> EventLog:
    """Publishes the log without the source before the new events are there."""
    log, staging, rest = arguments[1], arguments[-1], rest_of(*arguments)
    publish([staging / name for name in rest.manifest.parts], log.path, rest.manifest)
    return EventLog(log.path, rest.manifest)


def run(log: Path, file: str, point: int, trouble: str, outcome: Path) -> None:
    """Ingests, if it lives long enough; `outcome` then holds the number of steps, or the error.

    point: the step to be killed at, 0 for none. trouble: nothing, `manifest too early` (a planted fault), `ctrl-c`,
    `compact` (the log is woven instead), `replace` (the file replaces what the source told), `replace in two
    generations` (a planted fault), or the greatest size in bytes to which a file may grow: a full disk.
    """
    if trouble == "manifest too early":
        vars(data.intake.next_part)["publish"] = manifest_too_early
    elif trouble == "ctrl-c":
        signal.signal(signal.SIGINT, signal.default_int_handler)
        vars(data.intake.next_part)["fresh_runs"] = interrupted
    elif trouble == "replace in two generations":
        vars(data.intake.ingest)["rest_of"] = taken_out_first
    elif trouble and trouble not in ("compact", "replace"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(trouble), resource.RLIM_INFINITY))
    executioner = Executioner(log, point)
    sys.addaudithook(executioner)
    try:
        compact(log) if trouble == "compact" else into(log, file, replacing=["crm"] * trouble.startswith("replace"))
        ended = str(executioner.steps)
    except (DataError, KeyboardInterrupt) as error:
        ended = f"{type(error).__name__}: {error}"
    outcome.write_text(ended)
