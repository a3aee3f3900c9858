"""The folders of an event log while it is written: one writer, a staging folder, one generation after another."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.contract import UsageError
from data.log.eventlog import EventLog
from data.log.manifest import Words, sync, write_manifest


@contextmanager
def only_writer(log_path: Path) -> Iterator[None]:
    """One ingest at a time; a second one is told so instead of waiting (UsageError). The lock ends with the process."""
    with (log_path / "writer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another ingest is writing to {log_path}; wait until it is done") from None
        yield


@contextmanager
def staging_folder(log_path: Path) -> Iterator[Path]:
    """A folder for drafts; what a killed ingest left behind is removed first."""
    staging = log_path / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    _remove_others(log_path, EventLog.open(log_path).generation if (log_path / "log.json").exists() else None)
    for kind in ("events", "leads"):
        (staging / kind).mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(draft: Path, log_path: Path, n_buckets: int, words: Words, until: int) -> Path:
    """Makes a draft the generation that holds: on disk first, then named by the manifest. Returns its folder.

    until: as in `write_manifest`.
    """
    for path in (*sorted(draft.iterdir()), draft):
        sync(path)
    generation = log_path / draft.name
    os.rename(draft, generation)
    sync(log_path)
    write_manifest(log_path, draft.name, n_buckets, words, until)
    _remove_others(log_path, draft.name)
    return generation


def _remove_others(log_path: Path, current: str | None) -> None:
    for folder in log_path.glob("generation-*"):
        if folder.name != current:
            shutil.rmtree(folder, ignore_errors=True)
