"""One mutant before its judges: a copy of the tree in which the fault stands, and a process that runs tests there."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PRELOADED = ["argon2", "duckdb", "hypothesis", "lightgbm", "numba", "pandas", "psycopg", "pyarrow.compute", "pydantic",
             "pytest", "scipy.stats", "sklearn.base", "sqlalchemy"]  # fmt: skip
SLOW = {"trained", "postgres", "timeline"}
"""Fixtures that train a workspace or start a server take minutes; what they guard is guarded without them, too."""
SURVIVED = 0
NO_TESTS = 5
CPU = "cpu"
"""The file in a tree's folder that says how many seconds of the processor's the tests took."""


def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that begin with the libraries loaded, which takes longer than most tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@dataclass(eq=False)
class Tree:
    """A copy of the tree that git knows of, with a place for compiled functions; the one that it copies stays as it is.

    Files keep their times, so that what was compiled before stays valid.
    """

    root: Path
    folder: Path
    dirty: list[str] = field(default_factory=list)

    def refresh(self) -> None:
        """Makes the copy equal to the original again."""
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=self.root, check=True,
            capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
        present = {name for name in names if (self.root / name).is_file()}
        for name in present:
            copy, original = self.folder / "tree" / name, (self.root / name).stat()
            if not copy.exists() or (copy.stat().st_mtime, copy.stat().st_size) != (
                original.st_mtime,
                original.st_size,
            ):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, copy)
        for path in (self.folder / "tree").rglob("*.py"):
            if str(path.relative_to(self.folder / "tree")) not in present:
                path.unlink()

    def plant(self, module: str, source: str) -> None:
        """Writes a faulty source in the place of a module."""
        (self.folder / "tree" / module).write_text(source, encoding="utf-8")
        self.dirty.append(module)

    def restore(self) -> None:
        """Takes all faults out again."""
        while self.dirty:
            module = self.dirty.pop()
            shutil.copy2(self.root / module, self.folder / "tree" / module)


@dataclass(eq=False)
class Trial:
    """Tests that run in a tree, in a process group of their own. begun: monotonic seconds."""

    tree: Tree
    process: multiprocessing.process.BaseProcess
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.begun

    @property
    def cpu_seconds(self) -> float:
        """What the tests have taken of the processor, which on a busy machine is far less than how long they took.

        Infinite where they were ended by their limit.
        """
        path = self.tree.folder / CPU
        return float(path.read_text()) if path.exists() else float("inf")

    @property
    def output(self) -> str:
        """What the tests have printed."""
        path = self.tree.folder / "output"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def failed(self) -> str:
        """The first test that failed, or what went wrong before any."""
        named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", self.output, re.MULTILINE)
        return named[1] if named else "no test could be run"

    def stop(self) -> None:
        """Ends the process and all that it has started."""
        if self.process.pid is not None and self.process.is_alive():
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.process.kill()
            self.process.join()


def begin(tree: Tree, module: str, tests: Sequence[str], compiles: bool, limit: int | None = None) -> Trial:
    """Starts the tests of a module in a tree. compiles: whether compiled functions may be stale and are made anew.
    limit: seconds of the processor's after which the process ends by SIGXCPU."""
    (tree.folder / CPU).unlink(missing_ok=True)
    process = processes().Process(target=_run, args=(str(tree.folder), [*tests, module], compiles, limit))
    process.start()
    return Trial(tree, process)


def _run(folder: str, arguments: Sequence[str], compiles: bool, limit: int | None) -> None:
    """In the process: its own group, its output in a file, the tree in the place of the original."""
    os.setsid()
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))
    tree, output, cache = (
        Path(folder, "tree"),
        Path(folder, "output"),
        Path(folder, "fresh" if compiles else "compiled"),
    )
    os.dup2(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
    os.dup2(1, 2)
    if compiles:
        shutil.rmtree(cache, ignore_errors=True)
    os.environ |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    os.chdir(tree)
    sys.path[:] = [str(tree), *(path for path in sys.path if path and not Path(path, "workspace.py").exists())]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    code = _pytest(arguments, Path(folder, "pytest"))
    Path(folder, CPU).write_text(str(sum(_used(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))))
    sys.exit(code)


def _used(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _pytest(arguments: Sequence[str], temporary: Path) -> int:
    import numba
    from hypothesis import HealthCheck, Phase, settings

    numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
    # A slow machine is no fault, and which example is the smallest does not matter here.
    settings.register_profile("mutants", deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
                              suppress_health_check=list(HealthCheck))  # fmt: skip
    settings.load_profile("mutants")
    options = [
        "-x",
        "-rfE",
        "-Wignore::pytest.PytestAssertRewriteWarning",
        "--tb=line",
        "--doctest-modules",
        f"--basetemp={temporary}",
    ]
    return int(pytest.main([*options, *arguments], plugins=[_Quick()]))


class _Quick:
    """Leaves out what needs a slow fixture, and proofs, which look at very many cases."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not _is_slow(item)]


def _is_slow(item: pytest.Item) -> bool:
    slow = SLOW & set(getattr(item, "fixturenames", ())) or item.get_closest_marker("proof")
    return bool(slow) or "postgresql" in item.name
