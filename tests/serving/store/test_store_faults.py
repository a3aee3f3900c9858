"""The disk is full, the database is away: a clear error soon, nothing acknowledged lost, and it goes on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text

from serving.store.database.failures import StoreAway, StoreFull
from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn
from serving.store.store import Store, open_store
from tests.postgres import Postgres

NOW = 1_700_000_000_000_000


def group(name: str) -> list[EventIn]:
    return [EventIn("L1", "page_view", NOW, event_id=f"{name}-{n}") for n in range(50)]


def fill(store: Store, acknowledged: set[str]) -> None:
    """Adds groups until the store refuses, and notes what it has acknowledged."""
    for n in range(2000):
        acknowledged |= {str(result.event_id) for result in store.events.add(group(str(n)), NOW)}


def test_a_full_disk_loses_nothing_and_hinders_no_reader(small_disk: Path) -> None:
    with open_store(f"sqlite:///{small_disk / 'store.db'}") as store:
        acknowledged: set[str] = set()
        with pytest.raises(StoreFull, match="make room and send it again"):
            fill(store, acknowledged)
        assert len(acknowledged) >= 500
        for _ in range(3):
            with pytest.raises(StoreFull):
                store.events.add(group("full"), NOW)
            lead = store.leads.get("L1")
            assert lead is not None
            assert lead.events == len(acknowledged)
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        assert {result.status for result in store.events.add(group("room"), NOW)} == {"accepted"}
    with open_store(f"sqlite:///{small_disk / 'store.db'}") as store, store.database.read() as connection:
        stored = set(connection.scalars(select(events.c.event_id)))
        assert stored == acknowledged | {f"room-{n}" for n in range(50)}
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_a_database_that_is_away_is_told_soon_and_comes_back_by_itself(postgres: Postgres) -> None:
    with open_store(postgres.database(f"away_{time.time_ns()}")) as store:
        store.events.add(group("before"), NOW)
        postgres.stop(signal.SIGQUIT)
        try:
            for _ in range(3):
                with pytest.raises(StoreAway, match="does not answer"):
                    store.ping()
                with pytest.raises(StoreAway):
                    store.events.add(group("away"), NOW)
        finally:
            postgres.start()
        store.ping()
        assert {result.status for result in store.events.add(group("before"), NOW)} == {"duplicate"}
        assert {result.status for result in store.events.add(group("away"), NOW)} == {"accepted"}


def test_a_store_that_another_process_keeps_locked_is_away_and_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.database.connection.PRAGMAS", ("PRAGMA busy_timeout = 100",))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(url) as store, open_store(url) as other:
        with other.database.write() as connection:
            connection.execute(text("DELETE FROM keys"))
            with pytest.raises(StoreAway, match="locked"):
                store.events.add(group("x"), NOW)
        assert {result.status for result in store.events.add(group("x"), NOW)} == {"accepted"}


def test_a_bug_is_not_taken_for_a_fault(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        with pytest.raises(Exception, match="no such table") as caught, store.database.read() as connection:
            connection.execute(text("SELECT * FROM nowhere"))
        assert not isinstance(caught.value, StoreAway)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'store.db'}")
    os.mkdir(tmp_path / "store.db")
    with pytest.raises(StoreAway, match="cannot be used now"):
        open_store(f"sqlite:///{tmp_path / 'store.db'}")
