"""Lists: every filter against a naive one, pages that miss nothing and repeat nothing, queries that use an index."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from data.contract import UsageError
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters, Listed, Order
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
N = 300
INDUSTRIES = ("software", "retail", "é")


@pytest.fixture
def filled(store: Store) -> Store:
    """300 leads: most scored, many with the same score, two in three with a profile, some with two versions."""
    random_ = random.Random(4)
    leads = [f"L{random_.getrandbits(30):08x}" for _ in range(N)]
    for start in range(0, N, 60):
        now = NOW + start
        store.events.add([EventIn(lead, "visit", NOW) for lead in leads[start : start + 60]], now)
        batch = [
            StoredScore(lead, "conversion", NOW, random_.randint(0, 20) / 40, 0.0, 1.0, "1", "d")
            for lead in leads[start : start + 45]
        ]
        store.scores.record(batch, [StageThreshold("MQL", 0.2), StageThreshold("SQL", 0.4)], now)
    with store.database.write() as connection:
        for n, lead in enumerate(leads):
            for version in range(n % 3):
                row = {"l": lead, "v": NOW + version, "i": INDUSTRIES[(n // 3 + version) % 3], "e": float(n % 7)}
                connection.execute(text("INSERT INTO profiles (lead_id, valid_from, body) VALUES (:l, :v, 'x')"), row)
                connection.execute(
                    text(
                        "INSERT INTO attributes (lead_id, valid_from, name, text, number) VALUES "
                        "(:l, :v, 'industry', :i, NULL), (:l, :v, 'employees', NULL, :e)"
                    ),
                    row,
                )
                connection.execute(text("UPDATE leads SET profile_from = :v WHERE lead_id = :l"), row)
    return store


def everyone(store: Store) -> list[Listed]:
    return store.listing.page(Filters(), limit=1000).leads


def walked(store: Store, filters: Filters, limit: int) -> list[Listed]:
    leads: list[Listed] = []
    cursor: str | None = None
    while True:
        page = store.listing.page(filters, cursor, limit)
        leads += page.leads
        cursor = page.next
        if cursor is None or (filters.order == "change" and len(page.leads) < limit):
            return leads
        assert len(page.leads) == limit


def profile(store: Store, listed: Listed) -> dict[str, str | float]:
    lead = store.leads.get(listed.lead_id)
    return lead.versions[-1].attributes if lead is not None and lead.versions else {}


KEYS: dict[Order, Callable[[Listed], object]] = {
    "lead_id": lambda lead: lead.lead_id.encode(),
    "probability": lambda lead: (-(lead.probability or 0), [-byte for byte in lead.lead_id.encode()]),
    "changed_at": lambda lead: (-lead.changed_at, [-byte for byte in lead.lead_id.encode()]),
    "change": lambda lead: (lead.change, lead.lead_id.encode()),
}


def test_pages_in_every_order_hold_everyone_once(filled: Store) -> None:
    people = everyone(filled)
    assert len(people) == N
    for order, key in KEYS.items():
        expected = [person for person in people if order != "probability" or person.probability is not None]
        assert walked(filled, Filters(order=order), 37) == sorted(expected, key=key)  # type: ignore[arg-type]


def test_filters_are_those_of_a_naive_look_at_everyone(filled: Store) -> None:
    people = everyone(filled)
    profiles = {person.lead_id: profile(filled, person) for person in people}
    cases: list[tuple[Filters, Callable[[Listed], bool]]] = [
        (Filters(stage="MQL"), lambda e: e.stage == "MQL"),
        (Filters(score_from=0.2, score_to=0.3), lambda e: e.probability is not None and 0.2 <= e.probability <= 0.3),
        (Filters(changed_since=NOW + 120), lambda e: e.changed_at >= NOW + 120),
        (Filters(attributes={"Industry": "é"}), lambda e: profiles[e.lead_id].get("industry") == "é"),
        (Filters(attributes={"employees": 3}), lambda e: profiles[e.lead_id].get("employees") == 3),
        (
            Filters(stage="SQL", changed_since=NOW + 60, attributes={"industry": "retail", "employees": 1.0}),
            lambda e: e.stage == "SQL" and e.changed_at >= NOW + 60
            and profiles[e.lead_id] == {"industry": "retail", "employees": 1.0},
        ),
        (Filters(attributes={"industry": "'; DROP TABLE leads; --"}), lambda e: False),
        (Filters(target="repeat_purchase", stage="MQL"), lambda e: False),
    ]  # fmt: skip
    sizes = []
    for filters, fits in cases:
        expected = [person for person in people if fits(person)]
        assert walked(filled, filters, 7) == expected
        sizes.append(len(expected))
    assert min(sizes[:5]) > 10


def test_someone_new_between_two_pages_moves_nobody(filled: Store) -> None:
    first = filled.listing.page(Filters(), limit=10)
    filled.events.add([EventIn("A-first-of-all", "visit", NOW)], NOW)
    second = filled.listing.page(Filters(), first.next, limit=10)
    assert [*first.leads, *second.leads] == [e for e in everyone(filled) if e.lead_id != "A-first-of-all"][:20]


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "WyJsZWFkX2lkIl0=", "WyJwcm9iYWJpbGl0eSIsMSwiYSJd", "bnVsbA==", "MQ=="]
)
def test_a_made_up_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="the cursor is none"):
        store.listing.page(Filters(), cursor)


def test_no_list_reads_the_whole_table(filled: Store) -> None:
    """SQLite says which index each query walks; a sort of everything would say so."""
    if not filled.database.is_sqlite:
        pytest.skip("the plan of PostgreSQL depends on the size of its tables")
    cases = [
        Filters(),
        Filters(order="probability"),
        Filters(order="changed_at"),
        Filters(order="change"),
        Filters(stage="SQL"),
        Filters(attributes={"industry": "retail"}),
        Filters(attributes={"industry": "retail", "employees": 3}),
        Filters(changed_since=NOW, order="changed_at"),
    ]
    asked: list[str] = []
    reader = sqlite3.connect(str(filled.database.engine.url.database))

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            plan = reader.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            asked.append(str(plan.fetchall()))

    event.listen(filled.database.engine, "before_cursor_execute", note)
    for filters in cases:
        filled.listing.page(filters)
    reader.close()
    assert len(asked) == len(cases)
    assert not [plan for plan in asked if "TEMP B-TREE" in plan]


def test_a_sort_of_everyone_would_be_found(filled: Store) -> None:
    """The planted fault: in an order that no index has, SQLite says that it sorts."""
    if not filled.database.is_sqlite:
        pytest.skip("the plan of PostgreSQL depends on the size of its tables")
    with filled.database.read() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT lead_id FROM leads ORDER BY profile_from")).all()
    assert "TEMP B-TREE" in str(plan)
