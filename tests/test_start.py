"""The command line starts at once: help and refusals import nothing heavy, and need neither a home nor a cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

HEAVY = {"numba", "numpy", "pandas", "pyarrow", "lightgbm", "duckdb", "mlflow", "sqlalchemy", "fastapi", "matplotlib"}
HEAVY |= {"scipy", "sklearn", "joblib", "rich", "pydantic_settings"}
PROGRAM = """
import json, sys
import leadscore
try:
    leadscore.main()
finally:
    print(json.dumps(sorted(sys.modules)))
"""
Done = subprocess.CompletedProcess[str]


def run(program: str, *words: str, **environment: str) -> Done:
    """Runs a program in an environment that has nothing but what is given."""
    command = [sys.executable, "-c", program, *words]
    environment = {"PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def heavy(done: Done) -> set[str]:
    """The heavy packages that a program has imported."""
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return HEAVY & {name.partition(".")[0] for name in names}


REQUESTS = [
    (["--help"], 0, "Usage: "),
    (["train", "--help"], 0, "--allow"),
    (["keys", "create", "--help"], 0, "--store"),
    (["train", "--fly"], 2, "error: No such option: --fly"),
    (["fly"], 2, "error: No such command 'fly'"),
    (["simulate"], 2, "error: Missing argument"),
    (["serve", "--port", "http"], 2, "error: Invalid value for '--port'"),
]


@pytest.mark.parametrize(("words", "code", "text"), REQUESTS)
def test_help_and_refusals_import_nothing_heavy(words: list[str], code: int, text: str) -> None:
    done = run(PROGRAM, *words)
    assert done.returncode == code, done.stderr
    assert text in done.stdout + done.stderr
    assert heavy(done) == set()


def test_a_planted_heavy_import_is_caught() -> None:
    assert "numba" in heavy(run("import data.visibility" + PROGRAM, "--help"))


@pytest.mark.parametrize("home", [{}, {"HOME": "/dev/null/home"}])
def test_a_user_without_a_home_gets_help(home: dict[str, str]) -> None:
    done = run(PROGRAM, "--help", NUMBA_CACHE_DIR="/dev/null/numba", **home)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_user_without_a_home_is_told_of_nothing_but_the_work(tmp_path: Path) -> None:
    """Libraries that looked for a home wrote three lines about it."""
    var = tmp_path / "Büro der Ä"
    done = run(PROGRAM, "info", "--var", str(var), HOME="/dev/null/home", PATH="/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(var) in done.stdout
