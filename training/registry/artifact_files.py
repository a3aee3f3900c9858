"""The artifact on disk: LightGBM text models and model.json, everything that scoring needs and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.artifact import standalone
from training.artifact.standalone import FORMAT, SEAL, read
from training.measuring.evidence import Evidence
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import Grounds

if TYPE_CHECKING:
    from training.model.boosted import Boosted

CODE = Path(standalone.__file__)


def write_artifact(
    folder: Path,
    model: Boosted,
    recipe: dict[str, Any],
    thresholds: Sequence[Threshold],
    evidence: Evidence,
    trained_on: dict[str, Any],
    grounds: Grounds | None = None,
    judged: Mapping[str, Any] | None = None,
) -> str:
    """Writes an artifact and returns its digest, the sha256 of model.json, which names the sha256 of all other files.

    `recipe` is the training set's, `trained_on` says on what rows (period, counts, digest), `judged` how the recipe did
    on rows that it had not seen. The same model gives the same bytes; the folder is replaced as a whole.
    """
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    boosters = [
        _written(draft / f"booster-{i}.txt", each.model_to_string().encode()) for i, each in enumerate(model.boosters_)
    ]
    about = {
        "format": FORMAT,
        "target": recipe["target"],
        "vocabulary": recipe["vocabulary"],
        "catalogue": recipe["catalogue"],
        "words": recipe["words"],
        "bots": recipe["bots"],
        "profile_columns": recipe["profile_columns"],
        "features": _features(model),
        "boosters": boosters,
        "periods": model.periods,
        "code": _written(draft / CODE.name, CODE.read_bytes()),
        "calibrator": model.calibrator_.to_dict(),
        "thresholds": [each.to_dict() for each in thresholds],
        "evidence": evidence.to_dict(),
        "trained_on": trained_on,
    }
    if grounds is not None:
        about["grounds"] = write_grounds(draft, grounds)
    if judged is not None:
        about["judged"] = judged
    digest = write_manifest(draft, about)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    return digest


def write_grounds(folder: Path, grounds: Grounds) -> dict[str, Any]:
    """Adds grounds of thresholds to an artifact in the making; returns what model.json says of them as `grounds`."""
    content = grounds.content()
    return _written(folder / f"grounds-{hashlib.sha256(content).hexdigest()[:16]}.parquet", content)


def rewrite_artifact(source: Path, folder: Path, about: Mapping[str, Any], grounds: Grounds | None = None) -> str:
    """Writes an artifact with the boosters of `source` under another model.json, `about`; returns its digest.

    With `grounds` those take the place of the source's; grounds that model.json no longer names are left behind. The
    files of `source` are compared with their hashes first. Raises ArtifactError when one is damaged.
    """
    read(source)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, draft)
    if grounds is not None:
        about = {**about, "grounds": write_grounds(draft, grounds)}
    for each in draft.glob("grounds-*.parquet"):
        if each.name != about.get("grounds", {}).get("file"):
            each.unlink()
    digest = write_manifest(draft, about)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    return digest


def write_manifest(folder: Path, about: Mapping[str, Any]) -> str:
    """Writes model.json and beside it, as `sha256sum --check` reads it, its sha256, which is returned.

    Without that, a digit lost from a threshold would be as good as any other.
    """
    content = json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_bytes(content)
    (folder / SEAL).write_text(f"{digest}  model.json\n", encoding="ascii")
    return digest


def digest_of(folder: Path) -> str:
    """The digest of an artifact: sha256 of its model.json."""
    return hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()


def _written(path: Path, content: bytes) -> dict[str, Any]:
    path.write_bytes(content)
    return {"file": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _features(model: Boosted) -> list[dict[str, Any]]:
    encoder = model.encoder_
    return [
        {"name": name} if values is None else {"name": name, "categories": list(values)}
        for name, values in zip(encoder.names, encoder.categories, strict=True)
    ]
