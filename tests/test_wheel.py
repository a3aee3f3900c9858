"""What is installed: one package that holds all that it needs, and runs where nothing else of this repository is."""

from __future__ import annotations

import ast
import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

import httpx
import pytest

from serving.messages.examples import LEAD
from setup import renamed
from tests.conftest import REPOSITORY
from tests.serving.server_process import launched

ROOMS = ("commands", "data", "features", "training", "serving")
MODULES = ("console", "settings", "settings_file", "settings_sections", "workspace")
OURS = {*ROOMS, *MODULES}
MADE = {"leadscore/__init__.py", "leadscore/__main__.py", "leadscore/leadscore.toml", "leadscore/py.typed"}


def test_imports_of_our_own_move_and_no_others() -> None:
    source = b"import data_tools\nif 1:\n    from data.log import a; from data import b\nfrom database import c\n"
    moved = source.replace(b"from data", b"from leadscore.data", 2)
    assert renamed(source, OURS) == moved


@pytest.mark.parametrize(
    "source",
    [
        "from .data import log",
        '"""\nfrom data import log\n"""',
        "from numpy import data",
        "text = 'from data import log'  # from data import log",
    ],
)
def test_what_only_looks_like_an_import_of_our_own_stays(source: str) -> None:
    assert renamed(source.encode(), OURS) == source.encode()


def test_an_import_behind_other_letters_than_ascii_moves() -> None:
    assert renamed("x = 'ü'; from data import log".encode(), OURS) == "x = 'ü'; from leadscore.data import log".encode()


@pytest.mark.parametrize(
    "source", ["import data.log", "import os, settings", "from  data import log", "from data \\\n import log"]
)
def test_an_import_that_cannot_be_moved_stops_the_build(source: str) -> None:
    with pytest.raises(SyntaxError, match="line 1: write `from "):
        renamed(source.encode(), OURS)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make dist` fills, in a copy of the checkout."""
    ignored = ignore_patterns(".*", "var", "build", "dist", "*.egg-info", "__pycache__")
    checkout = copytree(REPOSITORY, tmp_path_factory.mktemp("wheel") / "checkout", ignore=ignored)
    (checkout / "build" / "lib" / "leadscore").mkdir(parents=True)
    (checkout / "build" / "lib" / "leadscore" / "removed.py").write_text("# what an earlier build has left\n")
    words = ["make", "--assume-old=.venv/ready", "dist", f"PY={sys.executable}"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / "dist"


def version() -> str:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def wheel_in(folder: Path) -> Path:
    return folder / f"leadscore-{version()}-py3-none-any.whl"


def contents(wheel: Path) -> dict[str, bytes]:
    """Name and bytes of every file of a wheel."""
    with zipfile.ZipFile(wheel) as files:
        return {name: files.read(name) for name in files.namelist()}


def standing() -> dict[str, Path]:
    """What the rooms and top modules hold, under the names that it has in the wheel."""
    files = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*") if path.is_file()]
    files = [path for path in files if "__pycache__" not in path.parts]
    files += [REPOSITORY / f"{name}.py" for name in MODULES]
    return {f"leadscore/{path.relative_to(REPOSITORY)}": path for path in files}


def test_the_wheel_holds_every_file_of_the_rooms_and_nothing_else(dist: Path) -> None:
    metadata = f"leadscore-{version()}.dist-info"
    names, expected = set(contents(wheel_in(dist))), set(standing()) | MADE
    assert len(expected) > 300
    assert {name for name in names if not name.startswith(metadata)} == expected
    assert contents(wheel_in(dist))[f"{metadata}/top_level.txt"] == b"leadscore\n"


def test_only_imports_differ_from_the_checkout(dist: Path) -> None:
    files, moved = contents(wheel_in(dist)), 0
    for name, path in standing().items():
        assert files[name].replace(b"from leadscore.", b"from ") == path.read_bytes(), name
        if path.suffix == ".py":
            moved += files[name].count(b"from leadscore.")
            tree = ast.parse(files[name])
            assert not set(imports(tree)) & OURS, name
            assert not set(modules_in_texts(tree)), name
    assert moved > 500


def imports(tree: ast.Module) -> Iterator[str]:
    """The first part of every module that is imported by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def modules_in_texts(tree: ast.Module) -> Iterator[str]:
    """Texts that name a module of ours, which is elsewhere once it is installed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w+(\.\w+)+", node.value):
            path = REPOSITORY / node.value.replace(".", "/")
            if node.value.partition(".")[0] in OURS and (path.is_dir() or path.with_suffix(".py").exists()):
                yield node.value


def test_a_module_that_a_text_names_is_caught() -> None:
    assert list(modules_in_texts(ast.parse("run('serving.champion.fetch', 'thresholds.mql')"))) == [
        "serving.champion.fetch"
    ]


def test_the_sdist_makes_the_same_wheel_and_holds_no_tests(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(dist / f"leadscore-{version()}.tar.gz") as files:
        names = {name.partition("/")[2] for name in files.getnames()}
        files.extractall(tmp_path, filter="data")
    assert {"pyproject.toml", "setup.py", "README.md", "CHANGELOG.md", "leadscore.py"} <= names
    assert not {name for name in names if name.startswith(("tests", "benchmarks", "docs"))}
    made = "from setuptools import build_meta; build_meta.build_wheel('again')"
    unpacked = tmp_path / f"leadscore-{version()}"
    subprocess.run([sys.executable, "-c", made], cwd=unpacked, capture_output=True, check=True, timeout=300)
    assert contents(wheel_in(unpacked / "again")) == contents(wheel_in(dist))


def test_an_editable_install_leaves_the_folders_where_they_are(dist: Path, tmp_path: Path) -> None:
    made = f"from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", made], cwd=dist.parent, capture_output=True, check=True, timeout=300)
    files = contents(next(tmp_path.glob("*.whl")))
    finder = next(text.decode() for name, text in files.items() if name.endswith("_finder.py"))
    for name in (*OURS, "leadscore"):
        assert f"'{name}': '{dist.parent / name}'" in finder


@pytest.fixture(scope="module")
def installed(dist: Path) -> Path:
    """A virtual environment with the wheel: it sees the packages that the wheel needs, and not the checkout.

    It stays in the checkout for the next run, because compiling everything anew takes a minute.
    """
    environment = REPOSITORY / ".wheel"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    rmtree(packages / "leadscore", ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(environment)]
    install = ["install", "--no-index", "--no-deps", "--force-reinstall", str(wheel_in(dist))]
    subprocess.run([*pip, *install], check=True, timeout=120)
    # A line of a .pth file adds a folder, and not what the .pth files in that folder add: no editable install.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    for path in (packages / "leadscore").rglob("*.py"):
        # Numba knows a source by its time and size; with a time that follows from what it holds, a cache stays good.
        time = int(sha256(path.read_bytes()).hexdigest()[:7], 16)
        os.utime(path, (time, time))
    return environment


def run(installed: Path, folder: Path, *words: str) -> str:
    """What a program of the environment says, run in a folder, and nothing known of the checkout."""
    command = [str(installed / "bin" / words[0]), *words[1:]]
    done = subprocess.run(
        command, cwd=folder, env=bare(installed), capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bare(installed: Path) -> dict[str, str]:
    """Environment variables of whoever has nothing but the wheel."""
    return {"PATH": os.defpath, "HOME": str(installed), "NUMBA_CACHE_DIR": str(installed / "numba")}


def test_what_is_installed_is_one_package(installed: Path, tmp_path: Path) -> None:
    look = (
        "from importlib.util import find_spec; import leadscore.data.contract as contract;"
        f"print(contract.__file__, *(name for name in {sorted(OURS)} if find_spec(name)))"
    )
    assert Path(run(installed, tmp_path, "python", "-c", look).strip()).is_relative_to(installed)
    assert "Usage: leadscore " in run(installed, tmp_path, "leadscore", "--help")
    assert "Usage: python -m leadscore " in run(installed, tmp_path, "python", "-m", "leadscore", "--help")
    assert list(tmp_path.iterdir()) == []


SHORTER = {"every_days = 7 ": "every_days = 28 ", "folds = 4 ": "folds = 2 ", "max_rounds = 3000 ": "max_rounds = 60 "}
"""Settings of the demo, and what they are where it shall not take long."""


def shorten(installed: Path) -> None:
    """Changes the settings that the demo finds in the package; what is chosen by trial is still tried."""
    (config,) = installed.glob("lib/*/site-packages/leadscore/leadscore.toml")
    text = config.read_text(encoding="utf-8")
    for old, new in SHORTER.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")


@pytest.mark.proof("wheel")
def test_the_demo_runs_and_its_model_is_served(installed: Path, tmp_path: Path, full: bool) -> None:
    """The cheap form learns from fewer moments and with fewer trees; each step of the demo is there."""
    if not full:
        shorten(installed)
    assert "where to look next" in run(installed, tmp_path, "leadscore", "demo", "--leads", "3000", "--quiet")
    assert [path.name for path in tmp_path.iterdir()] == ["var"]
    command = [str(installed / "bin" / "leadscore"), "serve", "--port", "0", "--insecure-local"]
    server = launched(command, tmp_path / "server.log", tmp_path, bare(installed))
    try:
        server.ready()
        answer = httpx.post(f"{server.url}/v1/score", json=LEAD)
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["score"]["probability"] < 1
        assert server.stop() == 0
    finally:
        server.process.kill()
