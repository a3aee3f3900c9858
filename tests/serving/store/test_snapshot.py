"""A snapshot: all reads of a thread are of one moment until it ends or the thread writes, on each database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert, select, text

from serving.store.database.failures import StoreAway
from serving.store.database.schema import leads
from serving.store.database.snapshot import Snapshots
from serving.store.store import Store, open_store
from tests.postgres import Postgres

NOW = 1_700_000_000_000_000


def put(store: Store, lead_id: str) -> None:
    store.leads.put(lead_id, NOW, None, {}, NOW)


def leads_of(store: Store) -> set[str]:
    with store.database.read() as connection:
        return set(connection.scalars(select(leads.c.lead_id)))


def test_reads_are_of_one_moment_whatever_others_write(store: Store) -> None:
    put(store, "a")
    with ThreadPoolExecutor(1) as others, store.database.snapshot():
        assert leads_of(store) == {"a"}
        others.submit(put, store, "b").result()
        assert leads_of(store) == {"a"}, "what was written meanwhile is not of this moment"
        assert others.submit(leads_of, store).result() == {"a", "b"}, "a snapshot is its thread's alone"
        with store.database.snapshot():
            assert leads_of(store) == {"a"}, "a snapshot within it is the same"
        assert leads_of(store) == {"a"}
    assert leads_of(store) == {"a", "b"}


def test_who_writes_sees_it(store: Store) -> None:
    with store.database.snapshot():
        assert leads_of(store) == set()
        put(store, "a")
        assert leads_of(store) == {"a"}


def test_what_is_read_while_writing_is_not_kept(store: Store) -> None:
    """Read before the write is done, it would hide from the rest of the page what was written."""
    with store.database.snapshot():
        with store.database.write() as connection:
            assert leads_of(store) == set()
            connection.execute(insert(leads).values(lead_id="a", created_at=NOW, changed_at=NOW))
        assert leads_of(store) == {"a"}


def test_all_reads_share_one_connection(store: Store) -> None:
    taken: list[object] = []
    event.listen(store.database.engine, "checkout", lambda connection, *_: taken.append(connection))
    with store.database.snapshot():
        leads_of(store)
        store.accounts.list()
    assert len(taken) == 1
    leads_of(store)
    store.accounts.list()
    assert len(taken) == 3, "without a snapshot each read takes one"


def test_nobody_writes_while_holding_a_snapshot(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a pool of one connection, the snapshot's, a write would wait for itself. Planted fault: it is kept."""
    with (
        open_store(f"{postgres.database('one_connection')}?connections=1") as store,
        store.database.snapshot(),
        monkeypatch.context() as planted,
    ):
        assert leads_of(store) == set()
        put(store, "a")
        assert leads_of(store) == {"a"}
        planted.setattr(store.database.engine.pool, "_timeout", 0.2)
        planted.setattr(Snapshots, "end", lambda self: None)
        with pytest.raises(StoreAway, match="no connection became free"):
            put(store, "b")


def test_a_read_that_fails_ends_the_view(store: Store) -> None:
    """PostgreSQL would refuse all further reads of its transaction."""
    with store.database.snapshot():
        leads_of(store)
        with pytest.raises(Exception, match="no_such_table"), store.database.read() as connection:
            connection.execute(text("SELECT * FROM no_such_table"))
        assert leads_of(store) == set()
