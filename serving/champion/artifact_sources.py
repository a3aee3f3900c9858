"""Where the champion comes from: an alias in the model registry, or a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from data.contract import DataError
from serving.champion.alias import version_of
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact, Damaged
from serving.champion.fetch import fetch
from training.registry.artifact_files import digest_of


class Source(Protocol):
    """Tells which model should serve, cheaply, and brings it when asked."""

    def mark(self) -> str | None:
        """What names the model that should serve; it changes with the model. None: there is none. Raises DataError."""

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Puts that model into the cache. Raises DataError."""


@dataclass(frozen=True)
class RegistrySource:
    """The version that an alias of the registry at `uri` points at; `workspace` is where it is copied to first."""

    workspace: Path
    uri: str
    name: str
    alias: str

    def mark(self) -> str | None:
        """The version."""
        return version_of(self.uri, self.name, self.alias)

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Raises DataError also when model.json is not the one that was registered."""
        version, folder, digest, run = fetch(self.workspace, self.name, self.alias)
        copy = cache.take(folder, self.name, version, version)
        if copy.digest != digest:
            cache.discard(copy)
            raise Damaged(f"model.json of version {version} is not the one that was registered; train again")
        return replace(copy, run=run)


@dataclass(frozen=True)
class FolderSource:
    """An artifact in a folder, which may be replaced by another one."""

    folder: Path
    name: str

    def mark(self) -> str | None:
        """The digest of its model.json, and when a file of it was last written: a repaired one is tried again."""
        try:
            written = max(each.stat().st_mtime_ns for each in self.folder.iterdir())
            return f"{digest_of(self.folder)}@{written}"
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder} holds no artifact ({error}); the model in place stays") from None

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """The version is the beginning of the digest."""
        mark = self.mark() or ""
        return cache.take(self.folder, self.name, mark[:12], mark)
