"""Where the champion comes from: an alias in the model registry, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact
from serving.champion.fetch import Fetched
from serving.champion.tracking_database import TrackingDatabaseSource
from serving.champion.tracking_server import TrackingServerSource
from training.registry.artifact_files import digest_of


class ArtifactSource(Protocol):
    """Tells which model should serve, cheaply, and brings it when asked."""

    def mark(self) -> str | None:
        """What names the model that should serve; it changes with the model. None: there is none. Raises DataError."""

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Puts that model into the cache. Raises DataError."""


def registry_source(workspace: Path, uri: str, name: str, alias: str, noted: Fetched | None = None) -> ArtifactSource:
    """The version that an alias of the model registry at `uri`, a tracking server's or its database's, points at.

    noted: see `TrackingDatabaseSource`.
    """
    if urlsplit(uri).scheme in ("http", "https"):
        return TrackingServerSource(workspace, uri, name, alias)
    return TrackingDatabaseSource(workspace, uri, name, alias, noted)


@dataclass(frozen=True)
class FolderSource:
    """An artifact in a folder, which may be replaced by another one."""

    folder: Path
    name: str

    def mark(self) -> str | None:
        """The digest of its model.json, and when a file of it was last written: a repaired one is tried again."""
        try:
            written = max(path.stat().st_mtime_ns for path in self.folder.iterdir())
            return f"{digest_of(self.folder)}@{written}"
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder} holds no artifact ({error}); the model in place stays") from None

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """The version is the beginning of the digest."""
        mark = self.mark() or ""
        return cache.take(self.folder, self.name, mark[:12], mark)
