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
