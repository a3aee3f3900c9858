"""The audit: says who did what, without whom it was done to, and cannot be rewritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from data.contract import DataError
from serving.store.privacy.audit_trail import AuditQuery
from serving.store.retention import Cutoffs, Retention
from serving.store.store import Store, open_store

NOW = 1_700_000_000_000_000


def test_entries_are_read_in_order_and_by_lead(store: Store) -> None:
    store.audit.add("key 1", "put lead", NOW, "L-secret")
    store.audit.add("key 2", "create key", NOW + 1)
    store.audit.add("key 1", "score", NOW + 2, "L-secret")
    assert [(entry.at - NOW, entry.who, entry.action) for entry in store.audit.entries()] == [
        (0, "key 1", "put lead"),
        (1, "key 2", "create key"),
        (2, "key 1", "score"),
    ]
    assert [entry.action for entry in store.audit.of("L-secret")] == ["score", "put lead"]
    assert [entry.action for entry in store.audit.entries(after=store.audit.entries()[0].id, limit=1)] == ["create key"]
    assert "L-secret" not in str(store.audit.entries())


UPSERT = (
    "INSERT INTO audit (id, at, who, action) SELECT id, at, 'nobody', action FROM audit WHERE true "
    "ON CONFLICT (id) DO UPDATE SET who = excluded.who"
)
REPLACE = "INSERT OR REPLACE INTO audit (id, at, who, action) SELECT id, at, 'nobody', action FROM audit"
IN_BETWEEN = "INSERT INTO audit (id, at, who, action) VALUES (0, 0, 'nobody', 'x')"
REWRITES = {
    "update": ("UPDATE audit SET who = 'nobody'", {"sqlite", "postgresql"}),
    "delete": ("DELETE FROM audit", {"sqlite", "postgresql"}),
    "upsert": (UPSERT, {"sqlite", "postgresql"}),
    "replace": (REPLACE, {"sqlite"}),
    "update or replace": ("UPDATE OR REPLACE audit SET id = 2 WHERE id = 1", {"sqlite"}),
    "an entry before others": (IN_BETWEEN, {"sqlite"}),
    "truncate": ("TRUNCATE audit", {"postgresql"}),
    "without triggers": ("SET session_replication_role = replica; DELETE FROM audit", {"postgresql"}),
}


def rewrite(store: Store, statement: str) -> None:
    with store.database.write() as connection:
        for part in statement.split("; "):
            connection.execute(text(part))


@pytest.mark.parametrize("name", REWRITES)
def test_the_database_refuses_to_rewrite_it(store: Store, name: str) -> None:
    statement, where = REWRITES[name]
    if store.database.engine.dialect.name not in where:
        pytest.skip("another database's words")
    for number in range(3):
        store.audit.add(f"key {number}", "score", NOW + number)
    before = store.audit.entries()
    with pytest.raises((DBAPIError, DataError)):
        rewrite(store, statement)
    assert store.audit.entries() == before


def test_a_trail_without_its_guards_would_be_caught(tmp_path: Path) -> None:
    """The planted fault: without the newest trigger, SQLite replaces what the trail says without a word."""
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.audit.add("key 1", "score", NOW)
        rewrite(store, "DROP TRIGGER audit_no_replace")
        rewrite(store, REPLACE)
        assert [entry.who for entry in store.audit.entries()] == ["nobody"]


def test_it_is_searched_by_who_what_whom_and_when_and_says_roles(store: Store) -> None:
    prefix = store.keys.create("ingest", "web tracker", NOW).split("_")[1]
    store.accounts.add("anna", "a long password", "editor", NOW)
    store.audit.add(prefix, "forget", NOW, "L1")
    store.audit.add("account anna", "export /leads.csv", NOW + 1)
    store.audit.add("account gone", "sign in", NOW + 2)
    store.audit.add("command line", "promote m version 2", NOW + 3)
    hits = store.audit.search(AuditQuery())
    assert [(entry.who, entry.role, entry.label) for entry in hits] == [
        (prefix, "ingest", "web tracker"),
        ("account anna", "editor", None),
        ("account gone", None, None),
        ("command line", None, None),
    ]
    actions = [entry.action for entry in hits]
    for asked, places in (
        (AuditQuery(who="anna"), [1]),
        (AuditQuery(who="account"), [1, 2]),
        (AuditQuery(who="%"), []),
        (AuditQuery(action="promote"), [3]),
        (AuditQuery(lead_id="L1"), [0]),
        (AuditQuery(lead_id="L2"), []),
        (AuditQuery(since=NOW + 1, until=NOW + 3), [1, 2]),
        (AuditQuery(limit=2), [2, 3]),
    ):
        assert [entry.action for entry in store.audit.search(asked)] == [actions[place] for place in places], asked


def test_what_is_as_it_was_is_noted_once(store: Store) -> None:
    for version in ("1", "1", "2", "2", "1"):
        store.audit.note_change("server", f"serve m version {version}", NOW)
        store.audit.add("key", "score", NOW)
    served = store.audit.search(AuditQuery(who="server"))
    assert [entry.action[-1] for entry in served] == ["1", "2", "1"]


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


def unguarded(store: Store, *statements: str) -> None:
    """What the owner of the database can do: take the guards away, and rewrite."""
    lift = ["ALTER TABLE audit DISABLE TRIGGER ALL"]
    if store.database.is_sqlite:
        with store.database.read() as connection:
            names = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
        lift = [f"DROP TRIGGER {name}" for name in names]
    rewrite(store, "; ".join([*lift, *statements]))


SECOND = "(id, at, who, action, number, seal) SELECT 9, at, who, action, number, seal FROM audit WHERE number = 5"
TAMPERED = {
    "changed": (["UPDATE audit SET who = 'nobody' WHERE number = 3"], "entry 3 was changed"),
    "about another": (["UPDATE audit SET subject = NULL WHERE number = 2"], "entry 2 was changed"),
    "removed": (["DELETE FROM audit WHERE number = 3"], "entries between number 2 and 4 are missing"),
    "beginning removed": (["DELETE FROM audit WHERE number < 3"], "entries between number 0 and 3 are missing"),
    "end removed": (["DELETE FROM audit WHERE number > 3"], "the newest entry is number 3, number 5 was the newest"),
    "all removed": (["DELETE FROM audit"], "the newest entry is number 0, number 5 was the newest"),
    "not sealed": (["INSERT INTO audit (id, at, who, action) VALUES (9, 1, 'a', 'b')"], "stands behind number 5"),
    "twice": ([f"INSERT INTO audit {SECOND}"], "entries between number 5 and 5 are missing"),
    "end removed, and said so": (
        [
            "DELETE FROM audit WHERE number > 3",
            "UPDATE trail_head SET number = 3, seal = (SELECT seal FROM audit WHERE id = 3)",
        ],
        "beginning and end was changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_an_entry_that_was_changed_or_removed_is_found(store: Store, name: str) -> None:
    for number in range(5):
        store.audit.add(f"key {number}", "score", NOW + number, "L1")
    assert store.audit.check().faults == ()
    statements, fault_text = TAMPERED[name]
    unguarded(store, *statements)
    assert any(fault_text in fault for fault in store.audit.check().faults), store.audit.check()


def test_who_has_all_of_the_database_is_found_by_a_head_that_was_kept_elsewhere(store: Store) -> None:
    """The planted fault: a trail that was forged with the store's own key from an entry on."""
    for number in range(3):
        store.audit.add(f"key {number}", "score", NOW + number)
    head = store.audit.check().head
    assert head.number == 3
    store.audit.add("key 4", "score", NOW + 4)
    assert store.audit.check(head).faults == ()
    unguarded(store, "DELETE FROM audit", "DELETE FROM trail_head")
    for number in range(4):
        store.audit.add("nobody", "score", NOW + number)
    assert store.audit.check().faults == ()
    assert store.audit.check(head).faults == ("entry 3 is not the one that was kept elsewhere",)


def test_a_trail_that_its_retention_has_shortened_is_whole(store: Store) -> None:
    for number in range(6):
        store.audit.add(f"key {number}", "score", NOW + number)
    head = store.audit.check().head
    for cutoff in (NOW + 3, NOW + 5, NOW + 100):
        Retention(store.database, store.audit).prune(Cutoffs(audit=cutoff), "cron", NOW + 200)
        assert store.audit.check(head).faults == ()
    assert [entry.who for entry in store.audit.entries()] == ["cron"] * 6
    unguarded(store, "DELETE FROM audit WHERE number = 7")
    assert store.audit.check().faults == ("entries between number 6 and 8 are missing",)


def test_an_erasure_leaves_the_trail_as_it_was(store: Store) -> None:
    store.audit.add("key 1", "put lead", NOW, "L-secret")
    store.erasure.forget("L-secret", "anna", NOW + 1)
    assert (store.audit.check().faults, store.audit.check().entries) == ((), 2)


def test_many_who_write_at_once_make_one_chain(store: Store) -> None:
    with open_store(str(store.database.engine.url.render_as_string(hide_password=False))) as other:
        stores = [store, other]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: stores[n % 2].audit.add(f"key {n}", "score", NOW + n), range(40)))
    checked = store.audit.check()
    assert (checked.faults, checked.head.number, checked.entries) == ((), 40, 40)
