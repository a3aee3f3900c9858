"""The grounds of thresholds in an artifact: read back as they were, and refused when they are damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.contract import DataError
from training.recipe.train import Promise
from training.thresholds.threshold import threshold_from
from training.thresholds.threshold_evidence import read_grounds
from workspace import Workspace


def test_they_give_the_threshold_that_was_issued(trained: Workspace) -> None:
    champion = trained.champion()
    about = champion.load().about
    grounds, issued = read_grounds(champion.folder, about), threshold_from(about["thresholds"][0])
    again = grounds.threshold(Promise("MQL", precision=issued.target).threshold)
    assert again.to_dict() == issued.to_dict()
    assert grounds.content() == (champion.folder / about["grounds"]["file"]).read_bytes(), "the same, byte for byte"


def test_damaged_and_absent_ones_are_told(trained: Workspace, tmp_path: Path) -> None:
    champion = trained.champion()
    about = champion.load().about
    folder = Path(shutil.copytree(champion.folder, tmp_path / "artifact"))
    path = folder / about["grounds"]["file"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no grounds"):
        read_grounds(folder, about)
    with pytest.raises(DataError, match="holds no grounds"):
        read_grounds(folder, {"grounds": {"file": "../model.json", "sha256": about["grounds"]["sha256"]}})
    with pytest.raises(DataError, match="holds no grounds"):
        read_grounds(folder, {})
