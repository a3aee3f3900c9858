"""A server whose installation was compiled compiles nothing, wherever the installation has been moved to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from commands.compilation import keep_bytecode
from data.compiled import ROOMS, is_complete
from serving.messages.examples import INGEST, LEAD
from tests.conftest import REPOSITORY
from tests.data.test_compiled import read_only
from tests.serving.server_process import ServerProcess, launched
from tests.serving.workshop import Workshop
from tests.test_architecture import TOP

OURS = (*ROOMS, "commands", "leadscore.toml", *(f"{name}.py" for name in TOP))


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """The checkout elsewhere, with what was compiled at set-up."""
    if not is_complete():
        pytest.skip("nothing is compiled: `leadscore compile` does so, and `make test` before it tests")
    place = tmp_path / "moved here, löblich"
    place.mkdir()
    for name in OURS:
        path = REPOSITORY / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, place / name)
    return place


@contextmanager
def serving(installation: Path, workshop: Workshop, var: Path) -> Iterator[ServerProcess]:
    """A server of a user without a home, on one processor."""
    words = [sys.executable, "leadscore.py", "serve", "--artifact", str(workshop.artifact), "--var", str(var)]
    words += ["--port", "0", "--insecure-local"]
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "OMP_WAIT_POLICY")}
    environment = inherited | {"PYTHONPATH": str(installation), "PYTHONDONTWRITEBYTECODE": "1"}
    server = launched(["taskset", "1", *words], var.with_suffix(".log"), installation, environment)
    try:
        server.ready()
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def use(server: ServerProcess) -> None:
    """Asks for all that is computed: scores, reasons, in batch and by id."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        lead = "L-1001"
        for answer in (
            client.post("/v1/score", json=LEAD),
            client.post("/v1/score?reasons=true", json=LEAD),
            client.post("/v1/events", json=INGEST),
            client.get(f"/v1/leads/{lead}/score?reasons=true"),
        ):
            assert answer.status_code == 200, answer.text


def compiled_in(folder: Path) -> set[Path]:
    """What is compiled."""
    return set(folder.rglob("*.nbc"))


def test_a_start_compiles_nothing(installation: Path, workshop: Workshop, tmp_path: Path) -> None:
    before = compiled_in(installation)
    assert len(before) > 90
    with serving(installation, workshop, tmp_path / "var") as server:
        use(server)
        assert not [line for line in server.log_lines() if line["event"] == "not_compiled"]
    assert compiled_in(installation) == before


def test_an_installation_that_cannot_be_written_to_serves(
    installation: Path, workshop: Workshop, tmp_path: Path
) -> None:
    with read_only(installation), serving(installation, workshop, tmp_path / "var") as server:
        use(server)


def test_who_may_not_write_finds_pythons_own_bytecode_too(installation: Path) -> None:
    """Whoever copied it, at whatever time: else a start compiles some hundred files, and the trial of a model again."""
    for file in installation.rglob("*.pyc"):
        file.unlink()
    keep_bytecode(installation)
    for source in (installation / "serving").rglob("*.py"):
        os.utime(source)
    with read_only(installation):
        looked = "import sys, serving.server; print(sum('/moved' in p for p in map(str, sys.modules)))"
        printed = subprocess.run(
            [sys.executable, "-v", "-c", looked], cwd=installation, env={"PYTHONPATH": str(installation)},
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
    matched = [line for line in printed.splitlines() if line.startswith("# ") and " matches " in line]
    assert sum("serving" in line for line in matched) > 50
    assert not [
        line
        for line in printed.splitlines()
        if line.startswith("# code object from") and ".pyc'" not in line and "löblich" in line
    ]


def test_a_planted_gap_is_seen(installation: Path, workshop: Workshop, tmp_path: Path) -> None:
    """As if `leadscore compile` did not go the whole way."""
    for file in compiled_in(installation):
        if file.name.startswith("bit_masks.predict-"):
            file.unlink()
    before = compiled_in(installation)
    with serving(installation, workshop, tmp_path / "var") as server:
        use(server)
    assert compiled_in(installation) != before
