"""The grounds of thresholds in an artifact: read back as they were, and refused when they are damaged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data.contract import DataError
from training.artifact.manifest import FileEntry, Manifest
from training.recipe.plan import Promise
from training.registry.artifact_files import digest_of, read_grounds
from workspace import Workspace


def test_they_give_the_threshold_that_was_issued(trained: Workspace) -> None:
    champion = trained.champion()
    manifest = champion.load().manifest
    grounds, issued = read_grounds(champion.folder, manifest), manifest.thresholds[0]
    again = grounds.threshold(Promise("MQL", precision=issued.rule.target).threshold)
    assert again.to_dict() == issued.to_dict()
    assert grounds.content() == file_of(champion.folder, manifest).read_bytes(), "the same, byte for byte"


def test_damaged_and_absent_ones_are_told(trained: Workspace, tmp_path: Path) -> None:
    champion = trained.champion()
    manifest = champion.load().manifest
    folder = Path(shutil.copytree(champion.folder, tmp_path / "artifact"))
    path = file_of(folder, manifest)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no grounds"):
        read_grounds(folder, manifest)
    elsewhere = replace(manifest, grounds=FileEntry("../model.json", 1, digest_of(folder)))
    for other in (elsewhere, replace(manifest, grounds=None)):
        with pytest.raises(DataError, match="holds no grounds"):
            read_grounds(folder, other)


def file_of(folder: Path, manifest: Manifest) -> Path:
    assert manifest.grounds is not None
    return folder / manifest.grounds.file
