"""Servers that share a database: a revoked key is refused by all of them, a good one goes on while it is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from serving.messages.examples import LEAD
from serving.store.store import Store, open_store
from tests.new_store import NewStore
from tests.postgres import Postgres
from tests.postgres import running as running_postgres
from tests.serving.conftest import Starts
from tests.serving.server_process import ServerProcess

REVOKED_S = 5.0
"""As docs/operations.md says it."""
HASTY = """
from serving.http import authentication
authentication.KEPT_S, authentication.AWAY_S, authentication.AGAIN_S = 0.1, 12.0, 0.1
"""
"""No fault, but an hour of twelve seconds."""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def url(request: pytest.FixtureRequest, tmp_path: Path, new_sqlite: NewStore) -> str:
    """The address of a new store."""
    if request.param == "SQLite":
        return str(new_sqlite(tmp_path / "shared.db"))
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.database(f"shared_{time.time_ns()}")


@pytest.fixture
def postgres_of_its_own() -> Iterator[Postgres]:
    """One that can be stopped without a loss to others."""
    with running_postgres() as server:
        yield server


def asked(server: ServerProcess, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{server.url}/v1/score", json=LEAD, headers=headers, timeout=60).status_code


def is_answered(server: ServerProcess, key: str, status: int) -> bool:
    return asked(server, key) == status


def key_of(store: Store) -> str:
    return store.keys.create("score", "crm", time.time_ns() // 1000)


def test_a_key_that_is_revoked_is_refused_by_all_servers_within_five_seconds(start: Starts, url: str) -> None:
    """What each of them remembers was asked before, so that after this time it has to ask again, however busy it is."""
    servers = [start("--keys", "--store", url) for _ in range(2)]
    with open_store(url) as store:
        revoked, kept = key_of(store), key_of(store)
        for server in servers:
            server.ready()
            assert [asked(server, key) for key in (revoked, kept)] == [200, 200]
        store.keys.revoke(revoked.split("_")[1], time.time_ns() // 1000)
    time.sleep(REVOKED_S)
    for server in servers:
        assert [asked(server, key) for key in (revoked, kept)] == [401, 200]


def test_keys_go_on_for_a_while_when_the_store_is_away_and_no_longer(
    start: Starts, postgres_of_its_own: Postgres
) -> None:
    url = postgres_of_its_own.database("shared")
    server = start("--keys", "--store", url, fault=HASTY)
    server.ready()
    with open_store(url) as store:
        known, unknown = key_of(store), key_of(store)
    assert asked(server, known) == 200
    postgres_of_its_own.stop(signal.SIGQUIT)
    assert [asked(server, key) for key in (known, unknown)] == [200, 503]
    server.until(partial(is_answered, server, known, 503))
    postgres_of_its_own.start()
    server.until(partial(is_answered, server, known, 200))
    assert asked(server, unknown) == 200
