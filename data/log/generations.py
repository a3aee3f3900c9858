"""The folders of an event log while it is written: one writer, a staging folder, one part after another."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.contract import UsageError
from data.log.manifest import NAME, Manifest, read_manifest, sync, write_manifest
from data.log.parts import BASE, DELTA


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
    _remove_others(log_path, read_manifest(log_path).parts if (log_path / NAME).exists() else ())
    for kind in ("events", "leads"):
        (staging / kind).mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def draft_of(staging: Path, kind: str, number: int) -> Path:
    """A new folder for a part, a base or a delta."""
    draft = staging / f"{kind}-{number:06d}"
    draft.mkdir()
    return draft


def publish(drafts: Collection[Path], log_path: Path, manifest: Manifest) -> None:
    """Makes drafts parts of the log: on disk first, then named by the manifest. Removes those that it does not name."""
    for draft in drafts:
        for path in (*sorted(draft.iterdir()), draft):
            sync(path)
        os.rename(draft, log_path / draft.name)
    sync(log_path)
    write_manifest(log_path, manifest)
    _remove_others(log_path, manifest.parts)


def _remove_others(log_path: Path, parts: Collection[str]) -> None:
    for kind in (BASE, DELTA):
        for folder in log_path.glob(f"{kind}-*"):
            if folder.name not in parts:
                shutil.rmtree(folder, ignore_errors=True)
