"""A registered model version and its artifacts, of which nothing that has changed is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.contract import DataError
from training.artifact.standalone import ArtifactError
from training.registry.artifact_files import digest_of

if TYPE_CHECKING:
    from training.artifact.loaded_model import LoadedModel


@dataclass(frozen=True)
class Registered:
    """A registered model version. `folder` holds the artifact, `judge` the one that was judged on the newest slice.

    digest, judge_digest: sha256 of their model.json as noted at registration, so that a change after it is seen.
    made_at: when that was, µs UTC; 0 where it is not known.
    """

    name: str
    version: str
    alias: str
    run_id: str
    folder: Path
    judge: Path
    digest: str
    judge_digest: str
    made_at: int = 0

    def load(self) -> LoadedModel:
        """The model, its files compared with their hashes first. Raises DataError when it is damaged."""
        return _load(self.folder, self.digest)

    def load_judge(self) -> LoadedModel:
        """The judge, likewise."""
        return _load(self.judge, self.judge_digest)


def _load(folder: Path, digest: str) -> LoadedModel:
    # Imported late, as in `artifact_files`.
    from training.artifact.loaded_model import load_model

    remedy = "train again or point the alias at another version"
    try:
        model = load_model(folder)
    except ArtifactError as error:
        raise DataError(f"{error}; {remedy}") from None
    if digest_of(folder) != digest:
        raise DataError(f"{folder}/model.json is not the one that was registered (digest {digest[:12]}); {remedy}")
    return model
