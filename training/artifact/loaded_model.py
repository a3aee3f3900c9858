"""An artifact that was read: its typed manifest, and the model that scores by the code that travels inside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from data.contract import DataError
from training.artifact import standalone
from training.artifact.manifest import Manifest, manifest_from
from training.artifact.standalone import ArtifactError

if TYPE_CHECKING:
    import lightgbm


class LoadedModel(standalone.Model):
    """A model that scores as `standalone.Model` does, with its manifest."""

    def __init__(self, manifest: Manifest, boosters: list[lightgbm.Booster]) -> None:
        super().__init__(cast(standalone.Contents, manifest.to_json()), boosters)
        self.manifest = manifest


def read_artifact(folder: Path) -> tuple[Manifest, list[str]]:
    """Manifest and boosters' texts, files compared with their hashes first. Raises ArtifactError."""
    contents, texts = standalone.read(folder)
    try:
        return manifest_from(contents), texts
    except (DataError, RecursionError) as error:
        raise ArtifactError(f"{folder}: {error}; train again") from None


def load_model(folder: Path) -> LoadedModel:
    """The model of an artifact, read as `read_artifact` does. Raises ArtifactError."""
    # Imported late: it brings pandas and scikit-learn, 100 MB that a server does without.
    import lightgbm

    manifest, texts = read_artifact(folder)
    return LoadedModel(manifest, [lightgbm.Booster(model_str=text) for text in texts])
