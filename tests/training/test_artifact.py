"""An artifact names all that it holds, and a damaged one never reaches LightGBM."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest

from features.training_set import TrainingSet
from tests.artifacts import TRAINED_ON, edit_manifest, plain_manifest
from training.artifact.standalone import SEAL, ArtifactError, load, read
from training.calibration.calibrator import IDENTITY
from training.measuring.evidence import Evidence
from training.model.encoding import Encoder
from training.registry.artifact_files import digest_of, write_artifact
from workspace import Workspace

Damage = Callable[[Path], object]


@pytest.fixture
def artifact(trained: Workspace, tmp_path: Path) -> Path:
    """A copy of the champion's artifact."""
    return Path(shutil.copytree(trained.champion().folder, tmp_path / "artifact"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_manifest_names_every_file_with_its_hash(artifact: Path) -> None:
    plain = plain_manifest(artifact)
    files = {entry["file"]: entry for entry in [*plain["boosters"], plain["code"], plain["grounds"]]}
    assert set(content(artifact)) == {*files, "model.json", SEAL}
    for name, entry in files.items():
        written = (artifact / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(written), hashlib.sha256(written).hexdigest())


def test_an_artifact_replaces_an_older_one_as_a_whole(artifact: Path, tmp_path: Path, trained: Workspace) -> None:
    model = load(artifact)
    fitted = SimpleNamespace(
        periods=None,
        boosters_=model.boosters[:1],
        encoder_=Encoder(tuple(model.features), (None,) * len(model.features)),
        calibrator_=IDENTITY,
    )
    recipe = TrainingSet.open(trained.training_set_path).recipe
    evidence = Evidence((0.0,), (10,), (1,))
    digest = write_artifact(artifact, fitted, recipe, [], evidence, TRAINED_ON)  # type: ignore[arg-type] # all it reads
    assert sorted(content(artifact)) == ["booster-0.txt", "model.json", SEAL, "standalone.py"]
    assert digest == digest_of(artifact)
    assert list(tmp_path.iterdir()) == [artifact]


def name_file(name: str) -> Damage:
    """A manifest that names a good booster elsewhere, with its right hash."""

    def damage(folder: Path) -> None:
        shutil.copy(folder / "booster-0.txt", folder.parent / "booster-0.txt")
        (folder / "deep").mkdir()
        shutil.copy(folder / "booster-0.txt", folder / "deep" / "booster-0.txt")
        edit_manifest(folder, lambda plain: plain["boosters"][0].update(file=name.format(folder=folder)))

    return damage


def rewrite(change: Callable[[bytes], bytes]) -> Damage:
    """Other bytes in a booster; the manifest knows nothing of it."""

    def damage(folder: Path) -> None:
        path = folder / "booster-1.txt"
        path.write_bytes(change(path.read_bytes()))

    return damage


def huge(folder: Path) -> None:
    os.truncate(folder / "booster-0.txt", 2**40)  # a sparse file: reading it would fill the memory


def pickled(folder: Path) -> None:
    payload = pickle.dumps({"a": 1})
    (folder / "model.pkl").write_bytes(payload)
    entry = {"file": "model.pkl", "bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    edit_manifest(folder, lambda plain: plain["boosters"].__setitem__(0, entry))


def manifest(text: str) -> Damage:
    """Another text for model.json, with the sha256 that it should have."""

    def damage(folder: Path) -> None:
        (folder / "model.json").write_text(text)
        (folder / SEAL).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  model.json\n")

    return damage


def digit_changed(folder: Path) -> None:
    """What reads as well as before, and would score otherwise."""
    path = folder / "model.json"
    about = path.read_text()
    slope = json.loads(about)["calibrator"]["a"]
    path.write_text(about.replace(f'"a": {json.dumps(slope)}', f'"a": {json.dumps(slope + 0.0625)}', 1))
    assert json.loads(path.read_text()) != json.loads(about)


DAMAGES: dict[str, Damage] = {
    "cut": rewrite(lambda text: text[: len(text) // 2]),
    "byte deleted": rewrite(lambda text: text[:1000] + text[1001:]),
    "digit changed": rewrite(lambda text: text.replace(b"leaf_value=0", b"leaf_value=9", 1).replace(b"1", b"2", 1)),
    "emptied": rewrite(lambda text: b""),
    "other encoding": rewrite(lambda text: text.decode().encode("utf-16")),
    "removed": lambda folder: (folder / "booster-0.txt").unlink(),
    "renamed": lambda folder: (folder / "booster-0.txt").rename(folder / "booster-9.txt"),
    "swapped": lambda folder: shutil.copy(folder / "booster-1.txt", folder / "booster-0.txt"),
    "parent folder": name_file("../booster-0.txt"),
    "absolute path": name_file("{folder}/booster-0.txt"),
    "sub-folder": name_file("deep/booster-0.txt"),
    "not a name": name_file("booster-0.txt/"),
    "huge": huge,
    "pickle": pickled,
    "no manifest": lambda folder: (folder / "model.json").unlink(),
    "manifest cut": lambda folder: (
        (folder / "model.json").write_text((folder / "model.json").read_text()[:500]) and None
    ),
    "manifest nested": manifest("[" * 100_000),
    "manifest a list": manifest("[]"),
    "digit of the manifest": digit_changed,
    "no seal": lambda folder: (folder / SEAL).unlink(),
    "other format": lambda folder: edit_manifest(folder, lambda plain: plain.update(format=99)),
    "no boosters": lambda folder: edit_manifest(folder, lambda plain: plain.update(boosters=[])),
    "fewer features": lambda folder: edit_manifest(folder, lambda plain: plain["features"].pop()),
    "slope below zero": lambda folder: edit_manifest(folder, lambda plain: plain["calibrator"].update(a=-1.0)),
    "not a number": lambda folder: edit_manifest(folder, lambda plain: plain["calibrator"].update(c=float("nan"))),
    "no calibrator": lambda folder: edit_manifest(folder, lambda plain: plain.pop("calibrator")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_refused_before_lightgbm_sees_it(name: str, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(lightgbm, "Booster", lambda model_str: seen.append(model_str))
    load(artifact)
    assert len(seen) == 2  # undamaged, both texts go through: the test would see them
    DAMAGES[name](artifact)
    with pytest.raises(ArtifactError) as refused:
        load(artifact)
    assert len(seen) == 2
    assert str(artifact) in str(refused.value)
    assert len(str(refused.value)) < 500


def test_random_damage_of_any_file_is_refused_or_changes_nothing(artifact: Path, full: bool) -> None:
    rng = np.random.default_rng(0)
    about, texts = read(artifact)
    before, refused = content(artifact), 0
    for _ in range(2_000 if full else 60):
        name = str(rng.choice(["booster-0.txt", "booster-1.txt", "model.json", SEAL]))
        damaged = bytearray(before[name])
        damaged[rng.integers(64 if name == SEAL else len(damaged))] ^= 1 << int(rng.integers(8))
        (artifact / name).write_bytes(damaged)
        with pytest.raises(ArtifactError, match=name):
            read(artifact)
        (artifact / name).write_bytes(before[name])
        refused += 1
    assert refused >= 60
    assert read(artifact) == (about, texts)
