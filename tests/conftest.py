"""What all tests share: proofs in their cheap and their full form, and the real data sets where they are present."""

from __future__ import annotations

import gc
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.made_once import made_once
from tests.rounds import Rounds, kept_as

# What only some tests need is imported by the fixtures that give it: a test of one module starts in a moment.
if TYPE_CHECKING:
    from serving.store.store import Store
    from tests.new_registry import NewRegistry
    from tests.new_store import NewStore
    from tests.postgres import Postgres
    from workspace import Workspace

# Threads that wait must not spin, here and in processes that tests start: tests share the processors with each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Trees of a few hundred rows take twice as much of the processors with two threads as with one.
for library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
REPOSITORY = Path(__file__).parents[1]
# No example has a deadline: the first one may wait for the compiler, and machines are busy.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", metavar="NAME", help="run only the tests of this proof, in their full form")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--proof")
    if wanted is None:
        return
    names = {mark.args[0] for item in items for mark in item.iter_markers("proof")}
    if wanted not in names:
        raise pytest.UsageError(f"there is no proof {wanted!r}; there are {', '.join(sorted(names))}")
    items[:] = [item for item in items if any(mark.args[0] == wanted for mark in item.iter_markers("proof"))]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look through it again and again for garbage takes an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether a proof runs in its full form (`make proof NAME=…`) instead of the cheap one of `make test`."""
    return request.config.getoption("--proof") is not None


@pytest.fixture
def rounds(request: pytest.FixtureRequest, full: bool) -> Callable[..., Rounds]:
    """Makes the rounds of a proof, `rounds(cheap=1, full=1_000)`; in full they can be stopped and gone on with."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def tell(line: str) -> None:
        if reporter is not None:
            reporter.write_line(f"{request.node.name}: {line}")
            reporter.flush()

    def made(cheap: int, full_count: int) -> Rounds:
        return Rounds(full_count, kept_as(request.node.nodeid), tell) if full else Rounds(cheap)

    return lambda cheap, full: made(cheap, full)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public data sets, named by LEADSCORE_DATA or lying beside the repository."""
    folder = Path(os.environ.get("LEADSCORE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "bpic2012_events.csv.gz").exists():
        pytest.skip(f"the public data sets are not in {folder}; set LEADSCORE_DATA to where they are")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that lasts for all tests of a process; `postgres.database(NAME)` makes an empty database."""
    from tests.postgres import running

    with running() as server:
        yield server


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> NewStore:
    """Makes empty stores on SQLite."""
    from tests.new_store import sqlite_maker

    return sqlite_maker(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def new_postgresql(postgres: Postgres) -> NewStore:
    """Makes empty stores on PostgreSQL."""
    from tests.new_store import postgresql_maker

    return postgresql_maker(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store on each of the two databases: not there yet, but for a test that asks for `store`, too."""
    path, name = tmp_path / "store" / "store.db", f"store_{uuid.uuid4().hex}"
    if "store" in request.fixturenames:
        new_store: NewStore = request.getfixturevalue(f"new_{request.param}")
        return new_store(path if request.param == "sqlite" else name)
    return f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("postgres").database(name)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, on each of the two databases."""
    from serving.store.store import open_store

    with open_store(store_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a small funnel and its champion (see tests/small_funnel.py); not to be written to."""
    from tests.small_funnel import opened, train_in

    return opened(made_once(tmp_path_factory, "trained", train_in))


@pytest.fixture(scope="session")
def new_registry(tmp_path_factory: pytest.TempPathFactory) -> NewRegistry:
    """Makes registries with no model yet."""
    from tests.new_registry import make, maker

    return maker(made_once(tmp_path_factory, "tracking", make))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
