"""Events: at least once in, exactly once kept, a result for every one, acknowledged only when on disk."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from data.contract import AHEAD, US_PER_DAY
from data.times import FIRST
from serving.store.database.schema import events, leads
from serving.store.events.event_validation import EventIn
from serving.store.store import Store, open_store

NOW = 1_700_000_000_000_000
HOSTILE: list[Any] = [
    EventIn("L\0", "page_view", NOW),
    EventIn("\ud800", "page_view", NOW),
    EventIn("L1", "page_view", 2**70),
    EventIn("L1", "page_view", -(2**70)),
    EventIn("L1", "page_view", NOW, value=float("nan")),
    EventIn("L1", "page_view", NOW, value=float("inf")),
    EventIn("L1", "page_view", NOW, value=2**70),
    EventIn("L1", "page_view", NOW, value=10**5000),
    EventIn("L1", "page_view", NOW, value=True),
    EventIn("L1", "page_view", NOW, value="1.5"),  # type: ignore[arg-type]
    EventIn("L1", "page_view", "9999-12-31T23:59:59Z"),
    EventIn("L1", "page_view", "0001-01-01T00:00:00+14:00"),
    EventIn("L1", "page_view", "2023-01-01T00:00:00"),
    EventIn("L1", "page_view", "\ud800"),
    EventIn("L1", "page_view", "x" * 1_000_000),
    EventIn("L1", "x" * 1_000_000, NOW),
    EventIn("L1", "", NOW),
    EventIn("", "page_view", NOW),
    EventIn(None, "page_view", NOW),  # type: ignore[arg-type]
    EventIn(["L1"], {"a": 1}, [NOW], channel=3, source={}, event_id=7),  # type: ignore[arg-type]
    EventIn("L1", "page_view", None),  # type: ignore[arg-type]
    EventIn("L1", "page_view", 1.5),  # type: ignore[arg-type]
    EventIn("L1", "page_view", NOW, event_id="a\nb"),
    EventIn("L1", "page_view", NOW, channel="\x7f"),
]


def stored(store: Store) -> list[tuple[Any, ...]]:
    with store.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(events).order_by(events.c.event_id, events.c.source))]


def test_an_event_is_accepted_once_and_then_a_duplicate(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 5, "web", 1.23456, source="site", event_id="e1")
    assert [result.status for result in store.events.add([event], NOW)] == ["accepted"]
    assert [result.status for result in store.events.add([event, event], NOW + 9)] == ["duplicate", "duplicate"]
    [row] = stored(store)
    assert row[:9] == ("site", "e1", "L1", "page_view", "web", 1.2346, NOW - 5, NOW, NOW)


def test_without_an_id_the_content_is_the_id(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 5)
    first, second = store.events.add([event, replace(event, received_at=NOW - 1)], NOW)
    assert (first.status, second.status) == ("accepted", "duplicate")
    assert first.event_id == second.event_id
    assert [result.status for result in store.events.add([replace(event, value=1.0)], NOW)] == ["accepted"]


def test_the_same_id_with_another_content_is_kept_out(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 5, event_id="e1")
    store.events.add([event], NOW)
    before = stored(store)
    results = store.events.add(
        [replace(event, lead_id="L2"), replace(event, value=1.0), replace(event, source="other")], NOW
    )
    assert [result.status for result in results] == ["rejected", "rejected", "accepted"]
    assert results[0].reason == "event_id is taken by an event with another content"
    assert [row for row in stored(store) if row[0] == ""] == before


def test_a_copy_received_earlier_makes_it_known_earlier_in_any_order(store: Store) -> None:
    copies = [EventIn("L1", "page_view", NOW - 9, received_at=NOW - n, event_id="e1") for n in (1, 7, 3)]
    store.events.add(copies[:1], NOW)
    store.events.add(copies, NOW)
    store.events.add(copies[2:], NOW)
    assert [(row[7], row[8]) for row in stored(store)] == [(NOW - 7, NOW - 7)]


def test_hostile_events_are_refused_with_a_reason_and_never_raise(store: Store) -> None:
    good = EventIn("L1", "page_view", NOW)
    results = store.events.add([*HOSTILE, good], NOW)
    assert [result.status for result in results] == ["rejected"] * len(HOSTILE) + ["accepted"]
    assert all(result.reason and len(result.reason) < 200 and result.reason.isprintable() for result in results[:-1])
    rejections = {rejection.id: rejection for rejection in store.rejected.list(limit=1000)}
    assert {result.rejected_id for result in results[:-1]} == set(rejections)
    assert len(stored(store)) == 1


def test_reasons_show_no_address(store: Store) -> None:
    [result] = store.events.add([EventIn("L1", "page_view", "anna@example.org")], NOW)
    assert result.reason is not None
    assert "anna" not in result.reason


def test_the_years_1_and_9999_and_both_nights_of_the_clock_change(store: Store) -> None:
    times = {
        "0001-01-01T00:00:00Z": "accepted",
        "2023-10-29T02:30:00+02:00": "accepted",
        "2023-10-29T02:30:00+01:00": "accepted",
        "2023-03-26T02:30:00+01:00": "accepted",
        "9999-12-31T23:59:59.999999-14:00": "rejected",
    }
    sent = [EventIn("L1", "page_view", time) for time in times]
    assert store.events.add(sent[:1], NOW)[0].status == "rejected", "a null date, unless it is declared"
    results = store.events.add(sent, NOW, FIRST)
    assert [result.status for result in results] == list(times.values())
    hour = stored(store)
    assert len(hour) == 4
    first, second = sorted(row[6] for row in hour)[-2:]
    assert second - first == 3600 * 1_000_000


def test_an_event_ahead_of_the_clock_waits_and_is_replayed(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW + AHEAD + 1, event_id="e1")
    assert store.events.add([replace(event, occurred_at=NOW + AHEAD, event_id="e0")], NOW)[0].status == "accepted"
    [result] = store.events.add([event], NOW)
    assert "future" in str(result.reason)
    assert result.rejected_id is not None
    assert store.rejected.replay(result.rejected_id, NOW).status == "rejected"
    assert store.rejected.get(result.rejected_id).replayed_at is None
    assert store.rejected.replay(result.rejected_id, NOW + US_PER_DAY).status == "accepted"
    assert store.rejected.get(result.rejected_id).replayed_at == NOW + US_PER_DAY


def test_a_rejected_event_is_repaired_and_replayed(store: Store) -> None:
    [result] = store.events.add([EventIn("L1", "page_view", NOW, value=float("nan"), event_id="e1")], NOW)
    assert result.rejected_id is not None
    rejection = store.rejected.get(result.rejected_id)
    assert (rejection.event.event_id, rejection.reason) == ("e1", "value is not finite")
    assert store.rejected.replay(rejection.id, NOW, replace(rejection.event, value=2.0)).status == "accepted"
    assert [row[5] for row in stored(store)] == [2.0]


def test_the_same_rejected_event_is_kept_once(store: Store) -> None:
    bad = EventIn("L1", "page_view", NOW, value=float("nan"))
    numbers = {result.rejected_id for _ in range(3) for result in store.events.add([bad, bad], NOW)}
    assert len(numbers) == 1
    assert len(store.rejected.list()) == 1


@pytest.mark.proof("duplicates")
def test_copies_in_any_order_by_many_clients_have_no_effect(store: Store, full: bool) -> None:
    """10,000 events (cheap: 1,000), each sent one to five times, shuffled, by 8 clients at once."""
    random_ = random.Random(1)
    n = 10_000 if full else 1_000
    sent = [
        EventIn(f"L{i % 97}", random_.choice(["page_view", "email_open"]), NOW - i, "web", i / 7, NOW, "s", f"e{i}")
        for i in range(n)
    ]
    copies = [event for event in sent for _ in range(random_.randint(1, 5))]
    random_.shuffle(copies)
    batches = [copies[start : start + 40] for start in range(0, len(copies), 40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda batch: store.events.add(batch, NOW), batches))
    counts = Counter(result.status for batch in results for result in batch)
    assert counts == {"accepted": n, "duplicate": len(copies) - n}
    assert sorted((row[1], row[2], row[6]) for row in stored(store)) == sorted(
        (event.event_id, event.lead_id, event.occurred_at) for event in sent
    )


def test_accepted_duplicate_and_rejected_add_up(store: Store) -> None:
    random_ = random.Random(2)
    pool = [EventIn(f"L{i % 5}", "page_view", NOW - i % 50, event_id=f"e{i % 60}") for i in range(200)] + HOSTILE
    total: Counter[str] = Counter()
    received = 0
    for _ in range(60):
        batch = random_.choices(pool, k=random_.randint(0, 30))
        results = store.events.add(batch, NOW)
        assert len(results) == len(batch)
        received += len(batch)
        total.update(result.status for result in results)
    assert sum(total.values()) == received > 500
    assert min(total.values()) > 50
    assert len(stored(store)) == total["accepted"]


def test_a_lead_is_known_from_its_first_event(store: Store) -> None:
    store.events.add([EventIn("L1", "page_view", NOW - 5)], NOW)
    store.events.add([EventIn("L1", "page_view", NOW - 4)], NOW + 10)
    lead = store.leads.get("L1")
    assert lead is not None
    assert (lead.created_at, lead.changed_at, lead.events, lead.newest_event) == (NOW, NOW + 10, 2, NOW + 10)
    store.events.add([EventIn("L1", "page_view", NOW - 4)], NOW + 20)
    assert store.leads.get("L1") == lead


def test_two_processes_write_at_the_same_time(store: Store, store_url: str) -> None:
    """Writers of several processes wait for each other instead of failing, and none overwrites the other's."""
    code = (
        "import sys\nfrom serving.store.store import open_store\n"
        "from serving.store.events.event_validation import EventIn\n"
        f"store = open_store(sys.argv[1])\nfor i in range(40):\n"
        f"    store.events.add([EventIn('L1', 'page_view', {NOW} - i, event_id=f'{{sys.argv[2]}}-{{i}}'),"
        f" EventIn('L1', 'page_view', {NOW} - i, event_id=f'shared-{{i}}')], {NOW})\n"
    )
    command = [sys.executable, "-c", code, store_url]
    root = Path(__file__).parents[3]
    processes = [subprocess.Popen([*command, name], cwd=root) for name in ("a", "b")]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(stored(store)) == 120


def test_what_one_call_adds_is_all_there_or_not_at_all(store: Store) -> None:
    """A reader never sees half of a batch."""
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with store.database.read() as connection:
                seen.add(connection.execute(select(func.count()).select_from(events)).scalar_one())

    reader = threading.Thread(target=read)
    reader.start()
    for batch in range(20):
        store.events.add([EventIn("L1", "page_view", NOW, event_id=f"{batch}-{i}") for i in range(50)], NOW)
    done.set()
    reader.join()
    assert len(seen) > 1
    assert {count % 50 for count in seen} == {0}


def test_it_is_there_after_closing(store_url: str) -> None:
    with open_store(store_url) as store:
        store.events.add([EventIn("L1", "page_view", NOW)], NOW)
    with open_store(store_url) as store:
        assert len(stored(store)) == 1
        with store.database.read() as connection:
            assert connection.execute(select(leads.c.lead_id)).all() == [("L1",)]


def known(store: Store) -> list[tuple[Any, ...]]:
    """Id, lead, occurred_at, received_at and known_at of all events, relative to NOW."""
    return [(row[1], row[2], row[6] - NOW, row[7] - NOW, row[8] - NOW) for row in stored(store)]


@pytest.mark.parametrize("together", [False, True])
def test_a_conflicting_copy_does_not_change_when_an_event_was_known(store: Store, together: bool) -> None:
    """It was received earlier, but it is no copy."""
    event = EventIn("L1", "page_view", NOW - 9, received_at=NOW - 1, event_id="e1")
    others = [replace(event, value=1.0, received_at=NOW - 8), replace(event, lead_id="L2", received_at=NOW - 7)]
    for batch in [[event, *others]] if together else [[event], others]:
        results = store.events.add(batch, NOW)
    assert [result.status for result in results[-2:]] == ["rejected", "rejected"]
    assert known(store) == [("e1", "L1", -9, -1, -1)]
    lead = store.leads.get("L1")
    assert lead is not None
    assert (lead.events, store.leads.get("L2")) == (1, None)


@pytest.mark.parametrize(
    ("occurred", "received", "expected"), [(-9, -2, -2), (-2, -9, -2), (-5, -5, -5), (-5, None, 0)]
)
def test_an_event_is_known_when_it_has_happened_and_was_received(
    store: Store, occurred: int, received: int | None, expected: int
) -> None:
    at = None if received is None else NOW + received
    store.events.add([EventIn("L1", "page_view", NOW + occurred, received_at=at, event_id="e1")], NOW)
    assert [row[4] for row in known(store)] == [expected]


def test_a_copy_received_before_it_happened_makes_it_known_when_it_happened(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 5, received_at=NOW - 1, event_id="e1")
    store.events.add([event], NOW)
    store.events.add([replace(event, received_at=NOW - 9)], NOW)
    assert known(store) == [("e1", "L1", -5, -9, -5)]


def test_a_copy_received_at_the_same_time_or_later_changes_nothing(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 9, received_at=NOW - 5, event_id="e1")
    store.events.add([event], NOW)
    before = store.leads.get("L1")
    assert [r.status for r in store.events.add([event, replace(event, received_at=NOW)], NOW + 7)] == ["duplicate"] * 2
    assert store.leads.get("L1") == before
    assert known(store) == [("e1", "L1", -9, -5, -5)]


def test_a_lead_has_changed_when_one_of_its_events_is_known_earlier(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 9, received_at=NOW - 1, event_id="e1")
    store.events.add([event, EventIn("L2", "page_view", NOW - 9, received_at=NOW - 1, event_id="e2")], NOW)
    store.events.add([replace(event, received_at=NOW - 4)], NOW + 7)
    changed = {name: lead.changed_at - NOW for name in ("L1", "L2") if (lead := store.leads.get(name)) is not None}
    assert changed == {"L1": 7, "L2": 0}


def test_the_same_id_of_two_sources_is_two_events_and_each_has_its_own_copies(store: Store) -> None:
    event = EventIn("L1", "page_view", NOW - 9, received_at=NOW - 1, event_id="e1", source="a")
    other = replace(event, source="b", value=2.0)
    store.events.add([event, other], NOW)
    results = store.events.add([replace(other, received_at=NOW - 3), replace(event, value=2.0)], NOW)
    assert [result.status for result in results] == ["duplicate", "rejected"]
    assert [(row[0], row[7] - NOW) for row in stored(store)] == [("a", -1), ("b", -3)]


def test_nothing_sent_is_nothing_said(store: Store) -> None:
    assert store.events.add([], NOW) == []
