"""A server within the test's process with an account of each role, and visitors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, sync_playwright
from starlette.applications import Starlette

from serving.app import create_app
from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.store.access.accounts import Accounts
from serving.store.access.roles import ACCOUNT_ROLES
from serving.store.database.store_seal import seal_of
from serving.store.store import Store, open_store
from tests.serving.pages.browser import PASSWORD, Visitor
from tests.serving.pages.hostile import PAYLOADS, plant
from tests.serving.pages.town import settle_in
from tests.serving.server_process import running
from tests.serving.workshop import Workshop

CHROMIUM = Path("/usr/bin/chromium")
Visits = Callable[..., Visitor]


@pytest.fixture
def own_store(own_store: Store) -> Store:
    """An empty store with an account of each role, by the role's name; its hashes are cheap."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(own_store.database, seal_of(own_store.database), cheap)
    for role in ACCOUNT_ROLES:
        accounts.add(role, PASSWORD, role, 1)
    return replace(own_store, accounts=accounts)


@pytest.fixture
def app(services: Services) -> Starlette:
    return create_app(services)


@pytest.fixture
def visits(app: Starlette) -> Iterator[Visits]:
    """Makes visitors, signed in where a role is named."""
    made: list[Visitor] = []

    def visit(role: str | None = None, language: str = "en") -> Visitor:
        visitor = Visitor(app, language)
        made.append(visitor)
        if role is not None:
            assert visitor.sign_in(role).status_code == 303
        return visitor

    yield visit
    for opened in made:
        opened.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; tests beside it in a module cannot ask within the process, because it keeps an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; install Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def hostile(own_store: Store, live: ServedModel) -> Sequence[str]:
    """Hostile texts, each in all fields of a lead of the store."""
    reason = next(definition.name for definition in live.scorer.catalogue if definition.name.startswith("first_"))
    plant(own_store, live.model.version, reason, time.time_ns() // 1000)
    return PAYLOADS


@dataclass(frozen=True)
class Town:
    """A server at an address, and its store."""

    address: str
    store: Store


@pytest.fixture(scope="module")
def town(workshop: Workshop, live: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("stories")
    now = time.time_ns() // 1000
    with open_store(f"sqlite:///{folder / 'var' / 'store.db'}") as store, running(workshop, folder) as start:
        settle_in(store, workshop.log, live, now - 1)
        store.accounts.add("anna", PASSWORD, "editor", now)
        server = start()
        server.ready()
        yield Town(server.url, store)
