"""API keys: shown once, verified, revoked, nowhere to be read."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from data.contract import UsageError
from serving.store.database.schema import keys
from serving.store.store import Store

NOW = 1_700_000_000_000_000


def test_a_key_opens_what_its_role_says_until_it_is_revoked(store: Store) -> None:
    secret = store.keys.create("ingest", "web tracker", NOW)
    key = store.keys.verify(secret)
    assert key is not None
    assert (key.role, key.label, key.created_at, key.revoked_at) == ("ingest", "web tracker", NOW, None)
    store.keys.revoke(key.prefix, NOW + 1)
    assert store.keys.verify(secret) is None
    assert [key.revoked_at for key in store.keys.list()] == [NOW + 1]
    with pytest.raises(UsageError, match="no valid key"):
        store.keys.revoke(key.prefix, NOW + 2)


def test_nothing_but_the_secret_itself_opens(store: Store) -> None:
    secret = store.keys.create("admin", "x", NOW)
    other = store.keys.create("score", "y", NOW)
    mixed = f"{secret[:12]}{other[12:]}"
    wrong = ["", "ls", "ls__", secret[:-1], secret + "x", secret.upper(), f" {secret}", mixed, "ls_\0_x", "ls_ü_x"]
    assert [store.keys.verify(text) for text in [*wrong, "x" * 100_000, "\ud800"]] == [None] * (len(wrong) + 2)


def test_the_secret_is_in_no_column(store: Store) -> None:
    secrets = [store.keys.create("read", f"label {i}", NOW) for i in range(5)]
    assert len(set(secrets)) == 5
    with store.database.read() as connection:
        rows = str(connection.execute(select(keys)).all())
    for secret in secrets:
        assert secret not in rows
        assert secret.split("_", 2)[2] not in rows


def test_an_unknown_role_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="'root' is none of score, ingest, read, admin"):
        store.keys.create("root", "x", NOW)
