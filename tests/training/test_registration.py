"""Registering is asked for first, and when it fails in the end the work is kept and finished later."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.contract import DataError
from features.training_set import TrainingSet
from tests.new_registry import NewRegistry
from tests.runs import made_run
from tests.test_cli import Shell, files
from tests.test_cli import shell as shell
from tests.training.test_moved_workspace import NAME, copy
from training.pipeline import train_and_register
from training.registration import register_again
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.run_folder import unregistered
from workspace import Workspace


@pytest.fixture
def root(trained: Workspace, tmp_path: Path) -> Path:
    """A workspace to write to."""
    return copy(trained, tmp_path / "var")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def options(root: Path) -> list[str]:
    return ["--var", str(root), "--config", str(root / "small.toml")]


def test_a_run_whose_registering_failed_is_finished_by_register(shell: Shell, root: Path) -> None:
    workspace = Workspace.open(root, root / "small.toml")
    settings = workspace.settings.model_copy(
        update={"training": workspace.settings.training.model_copy(update={"seed": 5})}
    )

    def deletes_experiment(stage: str) -> None:
        if stage == "registering in MLflow":
            deleted(root)

    made = TrainingSet.open(workspace.training_set_path)
    plain = settings.model_dump(mode="json")
    with pytest.raises(DataError, match=r"was deleted.*kept as a run: `leadscore register [0-9a-f]{12}`") as error:
        train_and_register(made, settings.training_plan, workspace.registry, plain, say=deletes_experiment)
    (run,) = unregistered(root, "conversion")
    assert run[:12] in str(error.value)
    with Registry(root).tracking.opened() as mlflow:
        mlflow.MlflowClient().restore_experiment("1")
    assert run[:12] in json.loads(shell("info", *options(root), "--json")[1])["not registered"]
    (root / "seed.toml").write_text((root / "small.toml").read_text().replace("folds = 2", "folds = 2\nseed = 5"))
    words = ["register", run[:12], "--var", root, "--config", root / "seed.toml", "--json"]
    code, out, err = shell(*words)
    assert (code, err) == (0, "")
    done = json.loads(out)
    assert (done["version"], done["alias"]) == ("2", CHAMPION)
    assert "log-loss of version 1 minus the new one's" in done["decision"]
    champion = Registry(root).champion(NAME)
    assert champion.version == "2"
    with Registry(root).tracking.opened() as mlflow:
        data = mlflow.get_run(champion.run_id).data
    assert data.params["training.seed"] == "5"
    assert data.tags["artifact_digest"] == champion.digest
    assert "not registered" not in json.loads(shell("info", *options(root), "--json")[1])
    again = json.loads(shell(*words)[1])
    assert (again["version"], again["decision"]) == (
        "2",
        "the same model, byte for byte, was registered before and is kept",
    )


def test_a_run_of_other_settings_does_not_take_over_by_itself(root: Path, trained: Workspace) -> None:
    """What it was judged on is not there any more: it waits for a person."""
    workspace, champion = Workspace.open(root, root / "small.toml"), trained.champion()
    run = made_run(root, champion.judge, champion.judge)
    made, plan = TrainingSet.open(workspace.training_set_path), workspace.settings.training_plan
    other = type(plan)(**{**vars(plan), "newest_share": 0.3})
    done = register_again(workspace.registry, run, made, other)
    assert (done.version, done.alias) == ("2", CHALLENGER)
    assert "settings have changed" in done.decision


def test_a_threshold_of_a_champion_that_is_none_any_more_does_not_take_over(root: Path, trained: Workspace) -> None:
    workspace, champion = Workspace.open(root, root / "small.toml"), trained.champion()
    made, plan = TrainingSet.open(workspace.training_set_path), workspace.settings.training_plan
    late, fresh = (made_run(root, champion.folder, champion.judge, base, "two are away") for base in ("7", "1"))
    done = register_again(workspace.registry, late, made, plan)
    assert (done.alias, done.decision) == (
        CHALLENGER,
        "it was made from version 7, the champion is version 1; promote it by hand",
    )
    done = register_again(workspace.registry, fresh, made, plan)
    assert (done.version, done.alias, done.decision) == ("3", CHAMPION, "two are away")


def deleted(root: Path) -> None:
    with Registry(root).tracking.opened() as mlflow:
        mlflow.delete_experiment(mlflow.get_experiment_by_name(NAME).experiment_id)


FAULTS = {
    "deleted experiment": (deleted, r"was deleted; bring it back with `mlflow experiments restore --experiment-id 1`"),
    "no database": (lambda root: (root / "mlflow.db").write_bytes(b"no database" * 999), "cannot do that"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_registering_needs_is_asked_for_before_work_begins(fault: str, shell: Shell, root: Path) -> None:
    plant, message = FAULTS[fault]
    plant(root)
    before = set(files(root))
    assert message in shell.refused(3, "train", *options(root))
    assert set(files(root)) == before


def test_a_server_that_is_away_is_told_before_work_begins(
    shell: Shell, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    shutil.rmtree(root / "training_set")
    assert "MLflow at http://127.0.0.1:9 cannot do that" in shell.refused(3, "train", *options(root))
    assert not (root / "training_set").exists()


def test_a_full_disk_is_told_before_work_begins(small_disk: Path, trained: Workspace) -> None:
    made, settings = TrainingSet.open(trained.training_set_path), trained.settings
    with pytest.raises(DataError, match=r"2 MB of free disk, a run needs 32"):
        train_and_register(made, settings.training_plan, Registry(small_disk / "var"), {})
    assert not list((small_disk / "var").iterdir())


def test_info_does_not_wait_for_a_registry_that_never_answers(
    shell: Shell, root: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent)
    monkeypatch.setattr("workspace.REGISTRY_S", 0.2)
    code, out, err = shell("info", *options(root), "--json")
    assert (code, err) == (0, "")
    info = json.loads(out)
    assert info["champion"] == f"unknown: {silent} does not answer within 0.2 seconds"
    assert info["event log"]


@pytest.fixture
def artifacts(trained: Workspace) -> tuple[Path, Path]:
    """A model and its judge."""
    champion = trained.champion()
    return champion.folder, champion.judge


@pytest.fixture
def shared(
    artifacts: tuple[Path, Path], new_registry: NewRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """Two workspaces with histories of their own that register in one database."""
    one, two = (tmp_path / name for name in ("one", "two"))
    for root in (one, two):
        (root / "log").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", os.environ.copy())
    os.environ["MLFLOW_TRACKING_URI"] = new_registry(tmp_path / "shared").uri
    Registry(one).publish(NAME, made_run(one, *artifacts))
    Registry(one).alias(NAME, "1", CHAMPION, "the first")
    return one, two


def test_two_workspaces_that_share_a_store_do_not_take_each_others_champions(
    shared: tuple[Path, Path], artifacts: tuple[Path, Path]
) -> None:
    one, two = shared
    taken = r"'leadscore-conversion' at .* belongs to another workspace .* namespace = \"shop\" in the settings"
    other = Registry(two)
    run = made_run(two, *artifacts)
    for ask in (
        other.champion,
        other.prepare,
        lambda name: other.publish(name, run),
        lambda name: other.get(name, "1"),
    ):
        with pytest.raises(DataError, match=taken):
            ask(NAME)
    named = Registry(two, "shop")
    name = named.model_name("conversion")
    assert name == "leadscore-shop-conversion"
    assert named.find(name) is None
    named.publish(name, run)
    named.alias(name, "1", CHAMPION, "the first")
    assert named.champion(name).load().features
    assert Registry(one).champion(NAME).load().features


def test_a_server_without_histories_of_its_own_reads_the_champion_of_the_workspace_that_trains(
    shared: tuple[Path, Path], tmp_path: Path
) -> None:
    assert Registry(tmp_path / "serving").champion(NAME).version == "1"


def test_artifacts_lie_beside_a_shared_database_and_never_in_the_current_folder(
    shared: tuple[Path, Path], tmp_path: Path
) -> None:
    champion = Registry(shared[0]).champion(NAME)
    assert tmp_path / "shared" / "mlartifacts" in champion.folder.parents
    assert sorted(os.listdir(tmp_path)) == ["one", "shared", "two"]


def test_a_model_of_an_earlier_version_belongs_to_the_workspace_that_writes_next(shared: tuple[Path, Path]) -> None:
    """It has no owner yet, and both may read it until then."""
    one, two = shared
    with Registry(one).tracking.opened() as mlflow:
        mlflow.MlflowClient().delete_registered_model_tag(NAME, "leadscore.workspace")
    assert Registry(two).champion(NAME).version == "1"
    Registry(one).prepare(NAME)
    with pytest.raises(DataError, match="belongs to another workspace"):
        Registry(two).champion(NAME)
