"""A lead's events, the newest first: each on exactly one page, machines marked, a long history as cheap as a short."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.contract import UsageError
from data.sources.mapping import BotRule
from serving.store.events.event_validation import EventIn
from serving.store.events.timeline import COUNTED, Happening
from serving.store.store import Store, open_store

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
RULE = BotRule(name="instant", types=("email_click",), after="email_sent", seconds=10)


def add(store: Store, lead: str, *events: tuple[str, int, int]) -> None:
    """Events of a type that occurred, and became known, so many seconds after NOW."""
    store.events.add(
        [
            EventIn(lead, kind, NOW + at * SECOND, "web", None, NOW + known * SECOND, "shop", f"{lead} {number} {kind}")
            for number, (kind, at, known) in enumerate(events)
        ],
        NOW + 10**6 * SECOND,
    )


def all_of(store: Store, lead: str, limit: int) -> list[Happening]:
    happenings: list[Happening] = []
    cursor: str | None = None
    for _ in range(1000):
        stretch = store.timeline.page(lead, [RULE], cursor, limit=limit)
        assert len(stretch.events) <= limit
        happenings += stretch.events
        cursor = stretch.next
        if cursor is None:
            return happenings
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_every_event_stands_on_exactly_one_page_in_the_order_in_which_it_became_known(store: Store, limit: int) -> None:
    events = [("page_view", at, max(at, (at * 7) % 5 * 10)) for at in range(40)] + [("blog_visit", 3, 20)] * 3
    add(store, "L1", *events)
    add(store, "L2", ("meeting", 1, 1))
    happenings = all_of(store, "L1", limit)
    assert len(happenings) == 43
    keys = [(event.known_at, event.occurred_at) for event in happenings]
    assert keys == sorted(((NOW + known * SECOND, NOW + at * SECOND) for _, at, known in events), reverse=True)
    assert {event.source for event in happenings} == {"shop"}


def test_a_timeline_begins_where_an_event_became_known(store: Store) -> None:
    add(store, "L1", *(("page_view", at, at) for at in range(9)))
    happenings = store.timeline.page("L1", [RULE], until=NOW + 4 * SECOND).events
    assert [event.known_at for event in happenings] == [NOW + at * SECOND for at in (4, 3, 2, 1, 0)]


def test_machines_are_marked_also_where_a_page_ends_between_them_and_what_set_them_off(store: Store) -> None:
    add(store, "L1", ("email_sent", 0, 0), ("email_click", 2, 2), ("email_click", 3, 3), ("email_click", 60, 60))
    for limit in (1, 2, 50):
        assert [event.bot for event in all_of(store, "L1", limit)] == [False, True, True, False]
    assert not any(event.bot for event in store.timeline.page("L1", []).events)


def test_what_came_in_between_two_moments_is_counted_by_type(store: Store) -> None:
    add(store, "L1", *(("page_view", at, at) for at in range(5)), ("meeting", 2, 2), ("meeting", 9, 9))
    assert store.timeline.counts("L1", NOW + 1 * SECOND, NOW + 9 * SECOND) == ({"page_view": 4, "meeting": 1}, True)
    assert store.timeline.counts("L9", NOW, NOW + 9) == ({}, True)
    add(store, "L2", *(("page_view", at, at) for at in range(COUNTED + 5)))
    assert store.timeline.counts("L2", NOW, NOW + 10**5 * SECOND) == ({"page_view": COUNTED}, False)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "W10=", "WzEsMiwiYSJd", "WzEuNSwyLCJhIiwiYiJd", "WzEsMiwiYSIsIlx1ZDgwMCJd", "WzEsMiwiYSIsIlx1MDAwMCJd",
     "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTksMiwiYSIsImIiXQ==", "W1tbW1tb", "ü"],
)  # fmt: skip
def test_a_cursor_that_is_none_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="begin without one"):
        store.timeline.page("L1", [], cursor)


@pytest.fixture
def own_sqlite(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


def test_a_long_history_costs_what_a_short_one_does(own_sqlite: Store) -> None:
    """Steps of the database for a page in the middle, counted by itself: a sort of all events would be seen."""
    add(own_sqlite, "short", *(("page_view", at, at) for at in range(700)))
    add(own_sqlite, "long", *(("page_view", at, at) for at in range(12_000)))
    short = steps(own_sqlite, "short", NOW + 600 * SECOND)
    assert steps(own_sqlite, "long", NOW + 6_000 * SECOND) < 1.5 * short
    assert steps(own_sqlite, "long", NOW + 11_000 * SECOND) < 1.5 * short


def steps(store: Store, lead: str, until: int) -> int:
    """Hundreds of SQLite's steps that a page takes."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    with store.database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(tick, 100)
    try:
        cursor = store.timeline.page(lead, [RULE], until=until).next
        assert cursor is not None
        store.timeline.page(lead, [RULE], cursor)
        store.timeline.counts(lead, until - 10 * SECOND, until)
    finally:
        raw.set_progress_handler(None, 0)
    assert count > 10
    return count
