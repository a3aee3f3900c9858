"""model.json is read strictly, written back byte for byte, and older ones that lack a key open as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts import edit_manifest, plain_manifest
from training.artifact.loaded_model import load_model, read_artifact
from training.artifact.standalone import ArtifactError, load
from training.registry.artifact_files import digest_of, seal, write_manifest
from workspace import Workspace


@pytest.fixture
def artifact(trained: Workspace, tmp_path: Path) -> Path:
    """A copy of the champion's artifact."""
    return Path(shutil.copytree(trained.champion().folder, tmp_path / "artifact"))


def test_it_is_written_again_byte_for_byte(artifact: Path, trained: Workspace) -> None:
    for folder in (artifact, trained.champion().judge):
        copy, before = artifact.parent / "copy", digest_of(folder)
        copy.mkdir(exist_ok=True)
        assert write_manifest(copy, read_artifact(folder)[0]) == before
        assert (copy / "model.json").read_bytes() == (folder / "model.json").read_bytes()


def test_the_layout_is_that_of_version_0_1(artifact: Path) -> None:
    """Keys sorted, indented by one, text as it is: a digest names the same model whoever wrote it."""
    plain = plain_manifest(artifact)
    text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)
    assert (artifact / "model.json").read_bytes() == text.encode()
    assert list(plain) == [
        *("boosters", "bots", "calibrator", "catalogue", "code", "evidence", "features", "format", "grounds", "judged"),
        *("periods", "profile_columns", "target", "thresholds", "trained_on", "vocabulary", "words"),
    ]
    assert list(plain["thresholds"][0]) == [
        *("confidence", "converted", "labels", "leads_per_week", "missing_labels", "per_week", "probability", "record"),
        *("rule", "selected", "stage", "target", "touch", "win", "wins_per_week"),
    ]


LATER = ("periods", "grounds", "judged")
"""Keys that the first artifacts do not have."""


def test_older_artifacts_open_as_before(artifact: Path) -> None:
    def older(plain: dict[str, Any]) -> None:
        for key in LATER:
            del plain[key]
        plain["trained_on"] = {key: plain["trained_on"][key] for key in ("from", "to", "to_us")}
        for threshold in plain["thresholds"]:
            for key in ("missing_labels", "per_week", "win", "touch", "record"):
                del threshold[key]

    edit_manifest(artifact, older)
    manifest = load_model(artifact).manifest
    assert [getattr(manifest, key) for key in LATER] == [None, None, None]
    assert manifest.trained_on.conversions == 1
    assert manifest.trained_on.small is None
    assert all(threshold.record is None for threshold in manifest.thresholds)


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "text for a number": (lambda plain: plain["target"].update(horizon_days="30"), "target.horizon_days is '30'"),
    "no category": (lambda plain: plain["features"][0].update(name=7), r"features\[0\].name is 7"),
    "unknown rule": (lambda plain: plain["thresholds"][0].update(rule="luck"), "threshold.rule is 'luck'"),
    "no moment": (lambda plain: plain["trained_on"].pop("to_us"), "trained_on lacks 'to_us'"),
    "no feature": (lambda plain: plain["catalogue"][0].update(feature="Luck"), "catalogue: feature 'Luck' is of no"),
    "stranger": (lambda plain: plain.update(note="hi"), "model.json holds 'note' = 'hi'"),
    "bot without seconds": (lambda plain: plain.update(bots=[{"name": "x"}]), "bots: "),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_is_refused_with_key_and_value(name: str, artifact: Path) -> None:
    change, message = CHANGES[name]
    edit_manifest(artifact, change)
    with pytest.raises(ArtifactError, match=message) as refused:
        load_model(artifact)
    assert str(artifact) in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused_wherever_it_stands(number: str, artifact: Path) -> None:
    plain = plain_manifest(artifact)
    plain["evidence"]["starts"][0] = "PLACE"
    seal(artifact, json.dumps(plain).replace('"PLACE"', number).encode())
    with pytest.raises(ArtifactError, match=r"holds (NaN|-?Infinity)|evidence.starts\[0\] is inf"):
        load_model(artifact)


def test_a_loaded_model_scores_as_its_travelling_code(artifact: Path) -> None:
    model, alone = load_model(artifact), load(artifact)
    matrix = alone.encode([{"count_any_7d": 3.0}, {}])
    assert model.predict(matrix).tolist() == alone.predict(matrix).tolist()
