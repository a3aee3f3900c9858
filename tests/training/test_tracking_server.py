"""With a tracking server: artifacts go where it says, copies are whole or fetched again, a move changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from data.contract import DataError
from tests.runs import made_run
from tests.training.test_moved_workspace import NAME
from training.registry.experiment import Experiment
from training.registry.registry import CHAMPION, Registry
from training.registry.tracking import Tracking
from workspace import Workspace


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a tracking server that MLFLOW_TRACKING_URI names."""
    folder, port = tmp_path / "server", free_port()
    folder.mkdir()
    words = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "kept")]
    command = [sys.executable, "-m", "mlflow", "server", *words, "--port", str(port), "--workers", "1"]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes) as run:
        log = cast(IO[str], run.stderr)
        try:
            assert any("Application startup complete" in line for line in log), "the server did not start"
            threading.Thread(target=log.read, daemon=True).start()  # a full pipe would hold it up
            monkeypatch.setattr("os.environ", os.environ | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"})
            monkeypatch.chdir(tmp_path)
            yield folder
        finally:
            os.killpg(run.pid, signal.SIGTERM)


@pytest.fixture
def artifacts(trained: Workspace) -> tuple[Path, Path]:
    """A model and its judge."""
    champion = trained.champion()
    return champion.folder, champion.judge


def test_a_workspace_of_a_tracking_server(artifacts: tuple[Path, Path], server: Path, tmp_path: Path) -> None:
    root = tmp_path / "var"
    (root / "log").mkdir(parents=True)
    registry = Registry(root)
    registry.prepare(NAME)
    registry.publish(NAME, made_run(root, *artifacts))
    registry.alias(NAME, "1", CHAMPION, "the first")
    assert len(list((server / "kept").rglob("model.json"))) == 2, "artifacts go where the server says"
    assert not any((place / "mlruns").exists() or (place / "mlartifacts").exists() for place in (tmp_path, root))

    champion = registry.champion(NAME)
    booster = champion.folder / "booster-0.txt"
    booster.write_bytes(booster.read_bytes()[:-10])
    assert registry.champion(NAME).load().features, "a damaged copy is fetched again"

    moved = root.rename(tmp_path / "moved")
    assert Registry(moved).champion(NAME).load_judge().features
    shutil.rmtree(moved / "cache")
    assert Registry(moved).champion(NAME).load().features
    Registry(moved).prepare(NAME)

    other = tmp_path / "other"
    (other / "log").mkdir(parents=True)
    with pytest.raises(DataError, match="belongs to another workspace"):
        Registry(other).champion(NAME)
    assert not Registry(other, "shop").find("leadscore-shop-conversion")


def test_what_mlflow_prints_of_a_run_is_no_result(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` is one document with a tracking server too, whose client tells the addresses of runs that end."""
    experiment = Experiment(Tracking.of(tmp_path), NAME)
    with experiment.open_run("conversion 2026-01-01") as logged:
        print("the result")  # noqa: T201 -- what a command prints
        with experiment.run("", logged) as mlflow, mlflow.start_run(nested=True):
            pass
    printed = capsys.readouterr()
    assert printed.out == "the result\n"
    assert printed.err.count("View run") == 3, "of the nested run, of the run as it is logged, and as it ends"
