"""Changes in the order of their commits: who reads on after the last number misses none, however many write."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, select, update

from serving.store.database import changes as numbering
from serving.store.database.schema import changes, leads
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters, Listed
from serving.store.store import Store, open_store
from tests.postgres import Postgres
from tests.rounds import Rounds

NOW = 1_700_000_000_000_000
IN_ORDER = Filters(order="change")


def read_on(store: Store, cursor: str | None, limit: int = 3) -> tuple[list[Listed], str | None]:
    """All that has changed since a cursor, page by page."""
    read: list[Listed] = []
    while True:
        page = store.listing.page(IN_ORDER, cursor, limit)
        if not page.leads:
            return read, page.next
        read, cursor = [*read, *page.leads], page.next


def test_a_reader_goes_on_where_it_stopped(store: Store) -> None:
    nothing, cursor = read_on(store, None)
    assert nothing == []
    store.events.add([EventIn(lead, "visit", NOW) for lead in ("b", "a", "c", "d")], NOW)
    store.events.add([EventIn("e", "visit", NOW)], NOW)
    read, cursor = read_on(store, cursor)
    assert [row.lead_id for row in read] == ["a", "b", "c", "d", "e"]
    assert read_on(store, cursor)[0] == []
    store.leads.object("c", True, NOW)
    store.events.add([EventIn("a", "visit", NOW + 1)], NOW)
    assert [row.lead_id for row in read_on(store, cursor)[0]] == ["c", "a"]


def test_an_event_that_adds_nothing_is_no_change(store: Store) -> None:
    store.events.add([EventIn("a", "visit", NOW, event_id="1")], NOW)
    _, cursor = read_on(store, None)
    store.events.add([EventIn("a", "visit", NOW, event_id="1")], NOW)
    assert read_on(store, cursor)[0] == []


def test_what_was_undone_leaves_no_number_behind(store: Store) -> None:
    def fail() -> None:
        with store.database.write() as connection:
            numbering.mark_changed(connection, ["lost"], NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.database.write() as connection:
        connection.execute(select(1))
    store.events.add([EventIn("a", "visit", NOW)], NOW)
    with store.database.read() as connection:
        assert connection.execute(select(leads.c.lead_id, leads.c.change)).all() == [("a", 1)]


@pytest.fixture
def servers(store_url: str) -> Iterator[tuple[Store, Store]]:
    """Two servers with one store, as two processes have it."""
    with open_store(store_url) as one, open_store(store_url) as other:
        yield one, other


@pytest.fixture
def on_postgresql(postgres: Postgres) -> Iterator[tuple[Store, Store]]:
    """The same; on SQLite writers wait for each other from their first statement on."""
    url = postgres.database(f"changes_{uuid.uuid4().hex}")
    with open_store(url) as one, open_store(url) as other:
        yield one, other


def missed(servers: tuple[Store, Store], rounds: int, now: int = NOW) -> set[str]:
    """Leads whose last change a reader has not seen that polled while four writers changed them."""
    ready, over = threading.Barrier(5), threading.Event()

    def write(writer: int) -> None:
        ready.wait()
        for round_ in range(rounds):
            ids = [f"w{writer}-{round_ % 7}", f"shared-{(writer + round_) % 3}"]
            servers[writer % 2].events.add([EventIn(lead, "visit", now + round_, value=writer) for lead in ids], now)

    def poll() -> dict[str, int]:
        ready.wait()
        last, cursor, is_over = dict[str, int](), None, False
        while not is_over:
            is_over = over.is_set()
            read, cursor = read_on(servers[0], cursor, 100)
            last |= {row.lead_id: row.change for row in read}
        return last

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(poll)
        writers = [pool.submit(write, writer) for writer in range(4)]
        try:
            for done in writers:
                done.result()
        finally:
            over.set()  # or the reader would poll for ever
        seen = reader.result()
    with servers[0].database.read() as connection:
        there = dict(connection.execute(select(leads.c.lead_id, leads.c.change)).all())
    assert len(there) == 4 * 7 + 3
    return {lead for lead, change in there.items() if seen.get(lead) != change}


@pytest.mark.proof("changes")
def test_no_change_is_missed_while_many_write(servers: tuple[Store, Store], rounds: Callable[..., Rounds]) -> None:
    """In full each of four writers changes two leads 5,000 times, on each database."""
    proof = rounds(cheap=1, full=50)
    for number in proof:
        assert missed(servers, 60 if proof.count == 1 else 100, NOW + 1_000 * number) == set()


def test_numbers_that_are_taken_before_the_commit_would_be_missed(
    on_postgresql: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: one transaction takes a number and commits late, another one is quicker."""
    taken = iter(range(1, 1_000))

    def number(connection: Connection) -> None:
        connection.execute(update(leads).where(leads.c.change.is_(None)).values(change=next(taken)))

    monkeypatch.setattr(numbering, "_number", number)
    one, other = on_postgresql
    with one.database.write() as slow:
        numbering.mark_changed(slow, ["slow"], NOW)
        number(slow)
        with other.database.write() as quick:
            numbering.mark_changed(quick, ["quick"], NOW)
        read, cursor = read_on(one, None)
    assert [row.lead_id for row in read] == ["quick"]
    assert read_on(one, cursor)[0] == []  # "slow" has a lower number and is never seen


def test_a_number_is_not_given_before_the_one_below_it_is_committed(on_postgresql: tuple[Store, Store]) -> None:
    one, other = on_postgresql
    with ThreadPoolExecutor(1) as pool:
        with one.database.write() as slow:
            numbering.mark_changed(slow, ["slow"], NOW)
            slow.scalar(update(changes).values(number=changes.c.number + 1).returning(changes.c.number))
            late = pool.submit(other.events.add, [EventIn("quick", "visit", NOW)], NOW)
            assert not late.done()
            assert read_on(one, None)[0] == []
        late.result()
    assert [row.lead_id for row in read_on(one, None)[0]] == ["slow", "quick"]
