"""Of versions in MLflow those go that are old and that nobody names, with their runs and artifacts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.test_cli import Shell
from tests.test_cli import shell as shell
from tests.training.test_moved_workspace import NAME, copy
from training.model.baselines import BASELINES
from training.registry.old_versions import OldVersions
from training.registry.registry import Registry
from workspace import Workspace


@pytest.fixture
def registry(trained: Workspace, shell: Shell, tmp_path: Path) -> Registry:
    """Five versions, of which the newest is champion and the one before it the former."""
    root = copy(trained, tmp_path / "var")
    for leads in ("3", "4", "5", "6"):
        words = ("set", "SQL", "--per-week", leads, "--var", root, "--config", root / "small.toml")
        assert shell("thresholds", *words)[0] == 0
    return Registry(root)


def versions(registry: Registry) -> list[int]:
    return [number for number in range(1, 6) if registry.get(NAME, str(number)) is not None]


def runs(registry: Registry) -> set[str]:
    with registry.tracking.opened() as mlflow:
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name(NAME)
        return {run.info.run_id for run in client.search_runs([experiment.experiment_id])}


def made_by(registry: Registry, number: str) -> set[str]:
    """The run of a version, and those below it."""
    with registry.tracking.opened() as mlflow:
        client = mlflow.MlflowClient()
        run = client.get_run(client.get_model_version(NAME, number).run_id)
        below = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
        return {one.info.run_id for one in (run, *below)}


def test_what_is_old_and_nobody_names_goes_with_its_run_and_artifacts(registry: Registry) -> None:
    soon, size, before = time.time() + 60, files(registry), runs(registry)
    gone, staying = (set[str]().union(*(made_by(registry, n) for n in numbers)) for numbers in ("13", "245"))
    assert versions(registry) == [1, 2, 3, 4, 5]
    first, third = registry.get(NAME, "1"), registry.get(NAME, "3")
    assert first is not None
    assert third is not None
    old = OldVersions(registry, NAME, soon, {"2"})
    assert (old.count(), old.remove(), old.count(), old.remove()) == (2, 2, 0, 0)
    assert versions(registry) == [2, 4, 5]
    assert not any(folder.exists() for one in (first, third) for folder in (one.folder, one.judge))
    assert files(registry) < 0.7 * size
    for number in ("2", "4", "5"):
        version = registry.get(NAME, number)
        assert version is not None
        assert version.load().features
        assert version.load_judge().features
    assert registry.champion(NAME).version == "5"
    assert before - runs(registry) == gone
    assert staying <= runs(registry)
    assert (len(staying), len(gone)) == (3, 2 + len(BASELINES))


def test_what_is_not_old_stays_whoever_names_it(registry: Registry) -> None:
    assert OldVersions(registry, NAME, time.time() - 3_600, set()).remove() == 0
    assert versions(registry) == [1, 2, 3, 4, 5]
    assert OldVersions(registry, "leadscore-nothing", time.time() + 60, set()).remove() == 0


def test_a_run_that_others_put_into_the_experiment_stays(registry: Registry) -> None:
    with registry.experiment(NAME).run("a run") as mlflow:
        theirs = mlflow.active_run().info.run_id
    OldVersions(registry, NAME, time.time() + 60, set()).remove()
    assert theirs in runs(registry)


def files(registry: Registry) -> int:
    return sum(path.is_file() for path in (registry.workspace / "mlartifacts").rglob("*"))
