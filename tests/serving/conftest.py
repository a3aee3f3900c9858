"""A small model, and servers with it: within the test's process, or as a process of their own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving.app import create_app
from serving.champion.champion import Champion
from serving.http.authentication import NoAuthentication
from serving.http.services import Services
from serving.messages.limits import Limits
from serving.scoring.served_model import ServedModel
from serving.store.store import Store, open_store
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog
from tests.made_once import made_once
from tests.new_store import NewStore
from tests.serving.chained import train_accepted
from tests.serving.inside import Inside
from tests.serving.messy_year import Year, year_in
from tests.serving.server_process import ServerProcess, running
from tests.serving.workshop import Workshop, make, shop_in

Starts = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Made once, also when several processes run tests."""
    return shop_in(made_once(tmp_path_factory, "workshop", make))


@pytest.fixture(scope="session")
def live(workshop: Workshop) -> ServedModel:
    """The small model, loaded."""
    return ServedModel.load(workshop.artifact, "leadscore-conversion", "1")


@pytest.fixture(scope="session")
def steps(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifacts of a chain's targets, in its order; they are copied, never changed."""
    accepted = made_once(tmp_path_factory, "chain", lambda folder: train_accepted(workshop, folder))
    return {"sql_accepted": accepted / "model", "conversion": workshop.artifact}


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """A messy year, export by export."""
    return year_in(tmp_path_factory.mktemp("messy"))


@pytest.fixture
def own_store(tmp_path: Path, new_sqlite: NewStore) -> Iterator[Store]:
    """An empty store on SQLite."""
    with open_store(new_sqlite(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def services(live: ServedModel, own_store: Store) -> Services:
    """What a server within the test's process is made of; everybody may do everything."""
    metrics, champion = Metrics(), Champion()
    champion.on_swap = metrics.serves
    champion.swap(live)
    return Services(champion, own_store, NoAuthentication(), metrics, ServerLog(io.StringIO()), Limits())


@pytest.fixture
def inside(services: Services) -> Iterator[Inside]:
    """Asks a server within the test's process."""
    with closing(Inside(create_app(services))) as asked:
        yield asked


@pytest.fixture
def start(workshop: Workshop, tmp_path: Path) -> Iterator[Starts]:
    """Starts real servers, which are stopped after the test; takes options of `running`."""
    with running(workshop, tmp_path) as starts:
        yield starts
