"""A backup that is taken while a server takes in batches over HTTP holds all that was acknowledged before it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from serving.backup.backup import Installation, make_backup
from serving.backup.restore import restore
from serving.store.database.schema import events
from serving.store.store import open_store
from tests.postgres import Postgres
from tests.rounds import Rounds
from tests.serving.conftest import Starts
from tests.serving.senders import Senders

BATCH = 200


@pytest.fixture
def target(request: pytest.FixtureRequest, store_url: str) -> Callable[[], str | None]:
    """Where a store is restored to: an empty database of PostgreSQL's, for SQLite its file in the workspace."""
    if not store_url.startswith("postgresql"):
        return lambda: None
    server: Postgres = request.getfixturevalue("postgres")
    return lambda: server.database(f"restored_{uuid.uuid4().hex}")


def stored(url: str) -> set[str]:
    with open_store(url) as store, store.database.read() as connection:
        return set(connection.scalars(select(events.c.event_id)))


@pytest.mark.proof("backup")
def test_nothing_that_a_server_acknowledged_before_is_missing(
    start: Starts, store_url: str, target: Callable[[], str | None], tmp_path: Path, rounds: Callable[..., Rounds]
) -> None:
    """In full ten backups on each database, of a server that is sent batches without a pause."""
    proof, server = rounds(cheap=1, full=10), start("--store", store_url)
    server.ready()
    root = tmp_path / "var"
    root.mkdir(exist_ok=True)
    for number in proof:
        gone = f"gone-{number}"
        lead = {"lead_id": gone, "event_type": "page_view", "occurred_at": "2024-05-06T10:00:00Z"}
        httpx.post(f"{server.url}/v1/events", json={"events": [lead]}, timeout=60).raise_for_status()
        with Senders(server.url, f"{number}-{uuid.uuid4().hex}", clients=2, per_group=BATCH) as senders:
            began = time.monotonic()
            server.until(lambda: len(senders.acknowledged) >= 10 * BATCH)
            httpx.delete(f"{server.url}/v1/leads/{gone}", timeout=60).raise_for_status()
            before = {f"e-{name}" for name in senders.acknowledged}
            rate = len(before) / (time.monotonic() - began)
            make_backup(Installation(root, root / "log", store_url), tmp_path / f"b{number}", time.time_ns() // 1000)
            server.until(lambda: len(senders.acknowledged) > len(before))  # noqa: B023 -- asked at once
            senders.stop()
        assert not senders.refusals
        made = restore(tmp_path / f"b{number}", tmp_path / f"new{number}", target(), None, time.time_ns() // 1000)
        assert before <= stored(made.store)
        with open_store(made.store) as store:
            assert store.leads.get(gone) is None
        proof.seen.update(acknowledged=len(before), backups=1)
        proof.seen["slowest rate"] = min(proof.seen["slowest rate"] or 10**9, round(rate))
