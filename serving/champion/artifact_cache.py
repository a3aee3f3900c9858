"""Artifacts on the server's own disk: copied once, named by their digest, so that a start needs no registry."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.contract import DataError
from training.artifact.standalone import ArtifactError, read
from training.registry.artifact_files import digest_of


class Damaged(DataError):
    """An artifact that is not whole; it will not get better by itself."""


@dataclass(frozen=True)
class CachedArtifact:
    """An artifact in the cache. mark: what the source named it by when it was taken in. run, made_at: `ServedModel`.

    chain: the artifacts of all steps of the chain that it is of, in order, its own among them; () where it is of none.
    """

    name: str
    version: str
    digest: str
    mark: str
    folder: str
    run: str = ""
    made_at: int = 0
    chain: tuple[CachedArtifact, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """Of all that would serve together."""
        return tuple(copy.digest for copy in self.chain) or (self.digest,)

    @property
    def folders(self) -> set[str]:
        """Names of the folders of all of them."""
        return {Path(copy.folder).name for copy in (self, *self.chain)}


class ArtifactCache:
    """A folder of artifacts, and a note which of them serves."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # what is told of it is shortened by that
        self.note = self.path / "current.json"

    def take(self, source: Path, name: str, version: str, mark: str) -> CachedArtifact:
        """Copies an artifact and compares every file of the copy with its hash.

        Raises Damaged when one differs, DataError when it cannot be copied.
        """
        draft = self.path / f"{os.getpid()}.draft"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(source, draft)
            read(draft)
            digest = digest_of(draft)
            folder = self.path / digest[:32]
            if not folder.exists():
                os.replace(draft, folder)
        except ArtifactError as error:
            raise Damaged(f"{error}; train again") from None
        except OSError as error:
            raise DataError(f"{source} cannot be copied ({error}); the model in place stays") from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return CachedArtifact(name, version, digest, mark, str(folder))

    def discard(self, copy: CachedArtifact) -> None:
        """Removes a copy that turned out to be bad, and what came with it, but for what serves."""
        current = self.current()
        for name in copy.folders - (current.folders if current else set()):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def current(self) -> CachedArtifact | None:
        """The copy that served last, None when there is none. It lies here, wherever here was when that was noted."""
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            chain = tuple(self._here(CachedArtifact(**step)) for step in noted.pop("chain", ()))
            return replace(self._here(CachedArtifact(**noted)), chain=chain)
        except (OSError, ValueError, TypeError):
            return None

    def _here(self, copy: CachedArtifact) -> CachedArtifact:
        return replace(copy, folder=str(self.path / Path(copy.folder).name))

    def keep(self, copy: CachedArtifact) -> None:
        """Notes that a copy serves; older ones go, but for the one that served before."""
        before = self.current()
        draft = self.note.with_name(f"{self.note.name}.draft")
        draft.write_text(json.dumps(asdict(copy), indent=1), encoding="utf-8")
        os.replace(draft, self.note)
        current_names = copy.folders | (before.folders if before else set())
        for folder in self.path.iterdir():
            if folder.is_dir() and folder.name not in current_names:
                shutil.rmtree(folder, ignore_errors=True)
