"""Whether data flows into a store: what services send against the clock, what a log tells against its own end."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from features.labels import Target
from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn
from serving.store.store import Store

DAY = 86_400_000_000
NOW = 20_000 * DAY + DAY // 2
TARGET = Target("conversion", ("deal_won",), closed_by=("deal_lost",))


def send(store: Store, source: str, days: range, kind: str = "page_view", times: int = 5) -> None:
    """So many events on each day, counted back from now."""
    sent = [
        EventIn("L1", kind, NOW - day * DAY, received_at=NOW - day * DAY, source=source, event_id=f"{kind}-{day}-{n}")
        for day in days
        for n in range(times)
    ]
    for start in range(0, len(sent), 1_000):
        store.events.add(sent[start : start + 1_000], NOW)


def scored(store: Store, *days: int) -> None:
    """Scorings so many days ago, the oldest first."""
    for number, day in enumerate(days):
        rescoring = store.rescorings.begin(TARGET.name, f"{number}", NOW - day * DAY)
        store.rescorings.finish(rescoring, NOW - day * DAY)


def red(store: Store) -> list[tuple[str, tuple[str, ...]]]:
    return [(alarm.kind, alarm.stream) for alarm in store.flow.look(TARGET, NOW).red]


def test_a_quiet_store_tells_nothing_and_an_empty_one_neither(store: Store) -> None:
    assert red(store) == []
    send(store, "web", range(1, 100))
    scored(store, 2, 1, 0)
    assert red(store) == []
    assert store.flow.read(TARGET.name, NOW).looked_at == NOW


def test_a_source_that_stops_is_told_and_kept_for_who_reads(store: Store) -> None:
    send(store, "web", range(1, 100))
    send(store, "crm", range(10, 100), "deal_lost")
    assert red(store) == [("silent", ("crm",)), ("silent", ("", "outcomes"))]
    flow = store.flow.read(TARGET.name, NOW + DAY)
    assert flow.red[0].told == ("crm is silent since 2024-09-25: no event for 9 days, 45 were due")
    assert store.flow.read("another target", NOW).alarms == ()


def test_a_source_that_doubles_is_told(store: Store) -> None:
    send(store, "web", range(1, 100), times=10)
    send(store, "web", range(1, 8), "page_view_again", times=10)
    assert red(store) == [("doubled", ()), ("doubled", ("web",))]


def test_events_that_are_sent_again_are_no_alarm(store: Store) -> None:
    send(store, "web", range(1, 100))
    send(store, "web", range(1, 8))
    assert red(store) == []


@pytest.mark.parametrize(
    ("days", "is_late"), [((4,), True), ((2,), False), ((30, 20, 10), False), ((60, 50, 40), True), ((9, 8, 7), True)]
)
def test_leads_that_are_no_longer_scored_are_told_by_their_own_rhythm(
    store: Store, days: tuple[int, ...], is_late: bool
) -> None:
    scored(store, *days)
    assert [alarm.stream for alarm in store.flow.read(TARGET.name, NOW).red] == [("scoring",)] * is_late


def published(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(update(events).values(published=True))


def test_a_log_is_judged_at_its_own_end_and_its_end_apart(store: Store) -> None:
    """Exports come once a week: their silence since then is no alarm, that of one source among them is."""
    send(store, "web", range(6, 100))
    send(store, "crm", range(20, 100), "sales_call")
    published(store)
    scored(store, 1, 0)
    assert red(store) == [("silent", ("crm",))]
    assert [alarm.stream for alarm in store.flow.look(TARGET, NOW + 9 * DAY).red] == [
        ("scoring",),
        ("event log",),
        ("crm",),
    ]


def test_a_source_whose_events_become_known_late_is_to_be_looked_at(store: Store) -> None:
    """It is no reason to hold promotions back: what is missing comes."""
    send(store, "web", range(1, 100))
    slow = [
        EventIn(
            "L1", "call", NOW - (day + late) * DAY, received_at=NOW - day * DAY, source="crm", event_id=f"{day}-{n}"
        )
        for day in range(1, 100)
        for n in range(6)
        for late in ((4,) if day < 8 else (1,))
    ]
    store.events.add(slow, NOW)
    flow = store.flow.look(TARGET, NOW)
    assert [(alarm.kind, alarm.stream) for alarm in flow.alarms] == [("late", ("crm",))]
    assert "known 4.0 days after they happened, 1.0 are usual" in flow.alarms[0].told
    assert flow.red == ()
