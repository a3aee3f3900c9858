"""A version is promoted and taken back by the commands, and a running server follows without a restart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.contract import DataError
from serving.champion.artifact_sources import registry_source
from serving.champion.child_process import PROGRAM
from serving.champion.manual_promotion import promote
from serving.champion.tracking_database import TrackingDatabaseSource
from serving.messages.examples import LEAD
from tests.artifacts import edit_manifest
from tests.conftest import REPOSITORY
from tests.new_registry import NewRegistry
from tests.runs import made_run
from tests.serving.conftest import Starts
from tests.serving.server_process import ServerProcess
from tests.serving.workshop import Workshop
from tests.test_cli import Shell
from training.registry.artifact_files import digest_of
from training.registry.noted_champion import noted
from training.registry.registry import CHAMPION, Registry

NAME = "leadscore-conversion"
RESTLESS = "from serving.champion import tracking_database\ntracking_database.REST_S = 1.0"
"""No fault, but a server that rests a second between two questions to its registry, not fifteen."""
AWAY = """
from data.contract import DataError
from serving.champion import tracking_database
def away(*asked):
    raise DataError("away")
tracking_database.fetch = away
"""
"""MLflow's client gives no answer."""


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", os.environ.copy())
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def registry(new_registry: NewRegistry, tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Registry:
    """Two versions of a model, the first of them champion."""
    registry = new_registry(tmp_path_factory.mktemp("registry") / "var")
    for made in (workshop.artifact, workshop.other):
        registry.publish(NAME, made_run(registry.workspace, made, workshop.artifact))
    registry.alias(NAME, "1", CHAMPION, "the first")
    return registry


@pytest.fixture
def elsewhere(registry: Registry, tmp_path: Path) -> Path:
    """The workspace with version 1 as its champion, copied to where no server has served yet."""
    registry.alias(NAME, "1", CHAMPION, "test")
    return shutil.copytree(registry.workspace, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("serving"))


def moved_by_mlflow(workspace: Path, version: str) -> None:
    """Points the alias at another version as MLflow's own page does."""
    with Registry(workspace).tracking.opened() as mlflow:
        mlflow.MlflowClient().set_registered_model_alias(NAME, CHAMPION, version)


def answers_with(server: ServerProcess, version: str) -> bool:
    return bool(told(server)["model"]["version"] == version)


def told(server: ServerProcess) -> Any:
    return httpx.post(f"{server.url}/v1/score", json=LEAD, timeout=60, verify=False).raise_for_status().json()


def test_a_running_server_follows_promotion_and_rollback(
    shell: Shell, registry: Registry, start: Starts, workshop: Workshop
) -> None:
    var = registry.workspace
    assert "no former champion" in shell.refused(3, "rollback", "--var", var)
    server = start("--var", str(var), artifact=None, fault=RESTLESS)
    server.ready()
    first = told(server)
    assert first["model"] == {"name": NAME, "version": "1", "digest": digest_of(workshop.artifact)}
    code, out, err = shell("promote", "2", "--var", var, "--reason", "better on May")
    assert (code, err) == (0, "")
    assert out == f"version 2 of {NAME} is champion, after 1\n"
    server.until(partial(answers_with, server, "2"))
    second = told(server)
    assert second["model"]["digest"] == digest_of(workshop.other)
    assert second["score"]["probability"] > first["score"]["probability"]
    assert "is champion already" in shell.refused(2, "promote", "2", "--var", var)
    assert "has no version 9" in shell.refused(2, "promote", "9", "--var", var)
    code, out, err = shell("rollback", "--var", var)
    assert (code, out) == (0, f"version 1 of {NAME} is champion again, instead of 2\n")
    server.until(partial(answers_with, server, "1"))
    assert told(server) == first
    assert not [line for line in server.log_lines() if line["event"] in ("model_refused", "no JSON")]


def test_whoever_moves_the_alias_it_is_noticed_and_nobody_is_asked_in_between(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved as MLflow's own page moves it; MLflow's client is asked when its database has changed, and only then."""
    source = TrackingDatabaseSource(registry.workspace, registry.uri, NAME, "tried")
    assert source.mark() is None
    for version in ("1", "2"):
        with registry.tracking.opened() as mlflow:
            mlflow.MlflowClient().set_registered_model_alias(NAME, "tried", version)
        source.rests_until = 0.0
        assert source.mark() == version
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/bin/false")
        source.rests_until = 0.0
        assert source.mark() == "2", "nothing has changed, so nothing is asked"
        (registry.workspace / "mlflow.db").touch()
        with pytest.raises(DataError, match="gave no reason"):
            source.mark()


def test_asking_mlflow_does_not_wait_for_libraries_of_tables(registry: Registry) -> None:
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM, "serving.champion.fetch"]
    done = subprocess.run(
        [*command, str(registry.workspace), NAME, CHAMPION],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert Path(json.loads(done.stdout)["folder"]).is_dir()
    imported = {line.rpartition("|")[2].strip().partition(".")[::2] for line in done.stderr.splitlines()}
    parts = {package for package, part in imported if part}
    assert "mlflow" in parts
    assert not parts & {"pandas", "polars"}


def test_a_first_start_where_a_model_was_promoted_does_not_wait_for_mlflow(elsewhere: Path, start: Starts) -> None:
    server = start("--var", str(elsewhere), artifact=None, fault=AWAY)
    server.ready()
    assert told(server)["model"]["version"] == "1"


def test_what_mlflow_says_goes_before_what_was_noted_and_stays(elsewhere: Path, start: Starts) -> None:
    moved_by_mlflow(elsewhere, "2")
    server = start("--var", str(elsewhere), artifact=None, fault=RESTLESS)
    server.ready()
    server.until(partial(answers_with, server, "2"))
    assert server.stop() == 0
    again = start("--var", str(elsewhere), artifact=None, fault=AWAY)
    again.ready()
    again.until(lambda: any(line["event"] == "registry_away" for line in again.log_lines()))
    assert told(again)["model"]["version"] == "2"


def test_what_was_noted_is_served_only_if_its_files_are_as_they_were_registered(elsewhere: Path, start: Starts) -> None:
    champion = noted(elsewhere, NAME)
    assert champion is not None
    assert champion.folder.is_relative_to(elsewhere)
    rewrite(champion.folder)
    server = start("--var", str(elsewhere), artifact=None, fault=AWAY)
    server.until(lambda: any(line["event"] == "model_refused" for line in server.log_lines()))
    answer = httpx.get(f"{server.url}/v2/health/ready")
    assert answer.status_code == 503
    assert "not the one that was registered" in answer.text


def rewrite(artifact: Path) -> None:
    """Another model in its place, whole in itself."""
    edit_manifest(artifact, lambda plain: plain["calibrator"].update(c=1.0))


def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    source = registry_source(tmp_path, Registry(tmp_path).uri, NAME, CHAMPION)
    with pytest.raises(DataError, match="leadscore train"):
        source.mark()
    assert not list(tmp_path.iterdir())


def test_a_damaged_version_is_not_promoted(registry: Registry) -> None:
    version = registry.get(NAME, "2")
    assert version is not None
    stored = [path for path in (registry.workspace / "mlartifacts").rglob("booster-0.txt") if "judge" not in path.parts]
    for path in stored:
        path.write_bytes(path.read_bytes()[:-10])
    assert stored
    with pytest.raises(DataError, match="damaged"):
        promote(registry, NAME, "2", "test")
    champion = registry.find(NAME)
    assert champion is not None
    assert champion.version == "1"
