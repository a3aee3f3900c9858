"""A workspace can be moved, copied, mounted elsewhere and read-only, and lie under any name; a copy is on its own."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache
from tests.test_cli import Shell, files
from tests.test_cli import shell as shell
from tests.training.test_workspace_lock import held
from training.artifact.standalone import read
from training.registry.locations import NOTED
from training.registry.registry import Registry
from workspace import Workspace

NAME = "leadscore-conversion"


def copy(trained: Workspace, place: Path) -> Path:
    """The trained workspace at another place, with all that a user would copy."""
    return Path(shutil.copytree(trained.root, place, ignore=shutil.ignore_patterns("demo", "cache", "serving")))


def noted(root: Path) -> set[str]:
    """Every location that MLflow has noted below an `mlartifacts`."""
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        rows = [connection.execute(f"SELECT {column} FROM {table}").fetchall() for table, column in NOTED]
    return {str(place) for places in rows for (place,) in places if place and "mlartifacts" in place}


@pytest.fixture
def moved(trained: Workspace, tmp_path: Path) -> Path:
    """A workspace whose former place is gone, and that was never opened at the new one."""
    first = copy(trained, tmp_path / "first")
    assert Registry(first).champion(NAME).load().features
    assert noted(first)
    assert all(place.startswith((first / "mlartifacts").as_uri()) for place in noted(first))
    return first.rename(tmp_path / "Käufe (Q1) & mehr;x#1")


@pytest.fixture
def mounted(trained: Workspace, tmp_path: Path) -> Iterator[Path]:
    """A workspace at another place where nothing can be written, whose original is gone."""
    original, place = copy(trained, tmp_path / "original"), tmp_path / "mounted"
    assert Registry(original).champion(NAME)
    place.mkdir()
    for words in (["--bind", str(original), str(place)], ["-o", "remount,ro,bind", str(place)]):
        if subprocess.run(["mount", *words], check=False, capture_output=True).returncode:
            pytest.skip("only root may mount a folder")
    original.rename(tmp_path / "hidden")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_moved_workspace_tells_judges_and_scores_as_before(
    shell: Shell, moved: Path, trained: Workspace, tmp_path: Path
) -> None:
    options = ["--var", moved, "--config", moved / "small.toml", "--json"]
    code, out, err = shell("score", *options, "--out", tmp_path / "moved.csv")
    assert (code, err) == (0, "")
    was = ["--var", trained.root, "--config", moved / "small.toml", "--json"]
    code, before, _ = shell("score", *was, "--out", tmp_path / "moved.csv")
    assert json.loads(out) == json.loads(before)
    assert json.loads(shell("evaluate", *options)[1]) == json.loads(shell("evaluate", *was)[1])
    assert json.loads(shell("info", *options)[1])["champion"].startswith("version 1")
    assert json.loads(shell("thresholds", "show", *options)[1])


def test_a_server_starts_from_its_own_copy_after_a_move(trained: Workspace, tmp_path: Path) -> None:
    """Not from that of the workspace that it was copied from."""
    cache = ArtifactCache(tmp_path / "first")
    cache.keep(cache.take(trained.champion().folder, NAME, "1", "1"))
    for place in (tmp_path / "copy", tmp_path / "moved"):
        shutil.copytree(cache.path, place)
        copy_here = ArtifactCache(place).current()
        assert copy_here is not None
        assert Path(copy_here.folder).parent == place
        assert read(Path(copy_here.folder))


def test_mlflows_own_client_finds_the_artifacts_of_a_moved_workspace(moved: Path) -> None:
    registry = Registry(moved)
    run = registry.champion(NAME).run_id
    assert all(place.startswith((moved / "mlartifacts").as_uri()) for place in noted(moved))
    with registry.tracking.opened() as mlflow:
        model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
        paths = {entry.path for entry in mlflow.artifacts.list_artifacts(run_id=run)}
    assert model.input_example is not None
    assert {"judge", "report", "recipe.json"} <= paths


def test_what_is_done_in_a_copy_leaves_the_original_as_it_was(shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    original = copy(trained, tmp_path / "original")
    Registry(original).champion(NAME)
    place, before = tmp_path / "copy", files(original)
    shutil.copytree(original, place)
    words = ["set", "SQL", "--per-week", "3", "--var", place, "--config", place / "small.toml", "--json"]
    code, out, err = shell("thresholds", *words)
    assert (code, err, json.loads(out)["version"]) == (0, "", "2")
    made = Registry(place).champion(NAME)
    assert made.version == "2"
    for folder in (made.folder, made.judge):
        assert (place / "mlartifacts") in folder.parents
    assert files(original) == before
    assert Registry(original).champion(NAME).version == "1"
    assert not (tmp_path / "mlruns").exists()


def test_a_workspace_that_cannot_be_written_to_is_read_all_the_same(
    shell: Shell, mounted: Path, tmp_path: Path
) -> None:
    options = ["--var", mounted, "--config", mounted / "small.toml"]
    before = files(mounted)
    for words in (["info"], ["evaluate"], ["thresholds", "show"], ["score", "--out", tmp_path / "scores.csv"]):
        code, out, err = shell(*words, *options, "--json")
        assert (code, err) == (0, ""), words
        assert json.loads(out)
    line = shell.refused(3, "thresholds", "set", "SQL", "--per-week", "3", *options)
    assert "workspace.lock: Read-only file system" in line
    assert files(mounted) == before


def test_locations_stay_while_somebody_writes_and_nothing_is_written_elsewhere_meanwhile(moved: Path) -> None:
    """A container and its host see one workspace at two places: neither takes the other's away in mid-run."""
    registry, before = Registry(moved), noted(moved)
    with held(moved):
        assert registry.champion(NAME).load().features
        with pytest.raises(DataError, match="which is not this workspace's"), registry.experiment(NAME).run("a run"):
            pass
        assert noted(moved) == before
    assert registry.champion(NAME).load().features
    assert noted(moved) != before


@pytest.mark.parametrize("name", ["a?b", "a%20b", "what%3F"])
def test_a_path_that_means_another_one_to_mlflow_is_refused_before_anything_is_written(
    name: str, shell: Shell, trained: Workspace, tmp_path: Path
) -> None:
    root = copy(trained, tmp_path / name)
    before = files(tmp_path)
    for words in (["train"], ["score", "--out", tmp_path / "scores.csv"], ["info"]):
        line = shell.refused(2, *words, "--var", root, "--config", root / "small.toml")
        assert "take ? and % out of it" in line
    assert files(tmp_path) == before
