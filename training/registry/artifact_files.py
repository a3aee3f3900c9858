"""The artifact on disk: LightGBM text models and model.json, everything that scoring needs and nothing else.

What an artifact is made of is imported late: it brings Numba along, half a second of a server's first start, and a
process that only asks MLflow which version serves compares digests alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.contract import DataError
from training.artifact import standalone
from training.artifact.standalone import FORMAT, SEAL, read

if TYPE_CHECKING:
    from features.recipe import Recipe
    from training.artifact.manifest import Feature, FileEntry, Manifest, NewestSlice, TrainedOn
    from training.artifact.usual import Usual
    from training.measuring.evidence import Evidence
    from training.model.boosted import Boosted
    from training.thresholds.threshold import Threshold
    from training.thresholds.threshold_evidence import ThresholdEvidence

CODE = Path(standalone.__file__)


def write_artifact(
    folder: Path,
    model: Boosted,
    recipe: Recipe,
    thresholds: Sequence[Threshold],
    evidence: Evidence,
    trained_on: TrainedOn,
    grounds: ThresholdEvidence | None = None,
    judged: NewestSlice | None = None,
    usual: Usual | None = None,
) -> str:
    """Writes an artifact and returns its digest, the sha256 of model.json, which names the sha256 of all other files.

    `recipe` is the training set's, `trained_on` says on what rows (period, counts, digest), `judged` how the recipe did
    on rows that it had not seen, `usual` what features usually add. The same model gives the same bytes; the folder is
    replaced as a whole.
    """
    from training.artifact.manifest import Manifest

    draft = folder.with_name(f"{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    boosters = tuple(
        _written(draft / f"booster-{i}.txt", booster.model_to_string().encode())
        for i, booster in enumerate(model.boosters_)
    )
    manifest = Manifest(
        format=FORMAT,
        target=recipe.target,
        vocabulary=recipe.vocabulary,
        catalogue=recipe.catalogue,
        words=recipe.words,
        bots=recipe.bots,
        profile_columns=recipe.profile_columns,
        features=_features(model),
        boosters=boosters,
        periods=model.periods,
        code=_written(draft / CODE.name, CODE.read_bytes()),
        calibrator=model.calibrator_,
        thresholds=tuple(thresholds),
        evidence=evidence,
        trained_on=trained_on,
        grounds=None if grounds is None else _write_grounds(draft, grounds),
        judged=judged,
        usual=usual,
        own_features=tuple(function.short_name for function in recipe.own),
    )
    return _finished(draft, folder, manifest)


def rewrite_artifact(source: Path, folder: Path, manifest: Manifest, grounds: ThresholdEvidence | None = None) -> str:
    """Writes an artifact with the boosters of `source` under another manifest; returns its digest.

    With `grounds` those take the place of the source's; grounds that model.json no longer names are left behind. The
    files of `source` are compared with their hashes first. Raises ArtifactError when one is damaged.
    """
    read(source)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, draft)
    if grounds is not None:
        manifest = replace(manifest, grounds=_write_grounds(draft, grounds))
    for path in draft.glob("grounds-*.parquet"):
        if manifest.grounds is None or path.name != manifest.grounds.file:
            path.unlink()
    return _finished(draft, folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Writes model.json as `seal` does; returns its sha256."""
    content = json.dumps(manifest.to_json(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return seal(folder, content.encode())


def seal(folder: Path, content: bytes) -> str:
    """Writes model.json and beside it, as `sha256sum --check` reads it, its sha256, which is returned.

    Without that, a digit lost from a threshold would be as good as any other.
    """
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_bytes(content)
    (folder / SEAL).write_text(f"{digest}  model.json\n", encoding="ascii")
    return digest


def read_grounds(folder: Path, manifest: Manifest) -> ThresholdEvidence:
    """The grounds of the thresholds in an artifact. Raises DataError when there are none, or damaged ones."""
    from training.thresholds.threshold_evidence import grounds_from

    if manifest.grounds is None:
        raise DataError(f"{folder} holds no grounds of thresholds: train again")
    return grounds_from(folder / Path(manifest.grounds.file).name, manifest.grounds.sha256)


def digest_of(folder: Path) -> str:
    """The digest of an artifact: sha256 of its model.json."""
    return hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()


def _finished(draft: Path, folder: Path, manifest: Manifest) -> str:
    """Puts an artifact in place of the one that is there; returns its digest."""
    digest = write_manifest(draft, manifest)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    return digest


def _write_grounds(folder: Path, grounds: ThresholdEvidence) -> FileEntry:
    content = grounds.content()
    return _written(folder / f"grounds-{hashlib.sha256(content).hexdigest()[:16]}.parquet", content)


def _written(path: Path, content: bytes) -> FileEntry:
    from training.artifact.manifest import FileEntry

    path.write_bytes(content)
    return FileEntry(path.name, len(content), hashlib.sha256(content).hexdigest())


def _features(model: Boosted) -> tuple[Feature, ...]:
    from training.artifact.manifest import Feature

    encoder = model.encoder_
    return tuple(Feature(*column) for column in zip(encoder.names, encoder.categories, strict=True))
