"""Artifacts of a tracking server, copied once and named by their digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from training.artifact.standalone import ArtifactError, read
from training.registry.artifact_files import digest_of


def local_copy(mlflow: Any, uri: str, digest: str, workspace: Path) -> Path:
    """The folder of an artifact: a copy in the workspace's cache, or where that cannot be written, in a temporary one.

    A copy appears whole, by one rename; one that is damaged is fetched again. Who loads it compares it with `digest`.
    """
    cache = _cache(workspace)
    place = cache / digest[:32]
    if digest and _is_whole(place, digest):
        return place
    with tempfile.TemporaryDirectory(dir=cache, prefix="draft-") as draft:
        fetched = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=draft))
        place = place if digest else cache / digest_of(fetched)[:32]
        shutil.rmtree(place, ignore_errors=True)
        try:
            os.rename(fetched, place)
        except OSError:
            if not place.exists():  # else another process was faster, with the same
                raise
    return place


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        read(folder)
        return digest_of(folder) == digest
    except (ArtifactError, OSError):
        return False


def _cache(workspace: Path) -> Path:
    """The folder of copies; a workspace that cannot be written to has one per user among temporary files."""
    for folder in (workspace / "cache", Path(tempfile.gettempdir()) / f"leadscore-{os.getuid()}"):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="leadscore-"))
