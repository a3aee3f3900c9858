"""The audit: says who did what, without whom it was done to, and cannot be rewritten."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from data.contract import DataError
from serving.store.database.schema import audit
from serving.store.store import Store

NOW = 1_700_000_000_000_000


def test_entries_are_read_in_order_and_by_lead(store: Store) -> None:
    store.audit.add("key 1", "put lead", NOW, "L-secret")
    store.audit.add("key 2", "create key", NOW + 1)
    store.audit.add("key 1", "score", NOW + 2, "L-secret")
    assert [(each.at - NOW, each.who, each.action) for each in store.audit.entries()] == [
        (0, "key 1", "put lead"),
        (1, "key 2", "create key"),
        (2, "key 1", "score"),
    ]
    assert [each.action for each in store.audit.of("L-secret")] == ["score", "put lead"]
    assert [each.action for each in store.audit.entries(after=store.audit.entries()[0].id, limit=1)] == ["create key"]
    assert "L-secret" not in str(store.audit.entries())


@pytest.mark.parametrize("change", [update(audit).values(who="nobody"), delete(audit)])
def test_the_database_refuses_to_rewrite_it(store: Store, change: object) -> None:
    store.audit.add("key 1", "score", NOW)
    with pytest.raises((DBAPIError, DataError)), store.database.write() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert [each.who for each in store.audit.entries()] == ["key 1"]


def test_an_entry_says_who_did_what_when_and_by_a_hash_to_whom(store: Store) -> None:
    store.audit.add("key 1", "put lead", NOW, "L-secret")
    store.audit.add("key 2", "score", NOW + 5, "L-other")
    store.audit.add("command line", "create key", NOW + 1)
    first, second, third = store.audit.entries()
    assert (first.at, first.who, first.action) == (NOW, "key 1", "put lead")
    assert (second.at, second.who, second.action) == (NOW + 5, "key 2", "score")
    assert (third.at, third.who, third.action, third.subject) == (NOW + 1, "command line", "create key", None)
    assert first.subject is not None
    assert second.subject is not None
    assert len({first.subject, second.subject, "L-secret", "L-other"}) == 4
    assert store.audit.of("L-secret") == [first]
    assert store.audit.of("L-other") == [second]
    assert store.audit.of("L-nobody") == []


def test_of_many_entries_the_next_and_those_about_a_lead_the_newest_are_read(store: Store) -> None:
    for number in range(103):
        store.audit.add("key", f"deed {number}", NOW + 1_000 - number, "L1")
    entries = store.audit.entries(limit=1_000)
    assert [entry.action for entry in entries] == [f"deed {number}" for number in range(103)]
    assert store.audit.entries() == entries[:100]
    assert store.audit.entries(after=entries[100].id) == entries[101:]
    assert store.audit.entries(after=entries[0].id, limit=2) == entries[1:3]
    assert store.audit.of("L1") == entries[:2:-1]
    assert store.audit.of("L1", limit=1) == entries[-1:]
