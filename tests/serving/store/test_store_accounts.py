"""Accounts: who is let in, who is known again, who is locked out, and that no secret can be read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, select

from data.contract import UsageError
from serving.store.access.accounts import LIFE, Accounts
from serving.store.access.lockout import MOST_OF_ACCOUNT, MOST_OF_ADDRESS, MOST_OF_DEVICE, MOST_OF_PAIR, WINDOW, Locked
from serving.store.database.schema import accounts, attempts, sessions
from serving.store.database.store_seal import seal_of
from serving.store.store import Store

NOW = 1_700_000_000_000_000
PASSWORD = "correct horse battery"


@pytest.fixture
def people(store: Store) -> Accounts:
    """Accounts whose hashes are cheap."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    made = Accounts(store.database, seal_of(store.database), cheap)
    made.add("anna", PASSWORD, "editor", NOW)
    return made


def test_who_signs_in_is_known_until_the_session_ends(people: Accounts) -> None:
    token = people.sign_in("anna", PASSWORD, "10.0.0.1", NOW)
    assert token is not None
    visitor = people.visitor(token, NOW + LIFE - 1)
    assert visitor is not None
    assert (visitor.name, visitor.role) == ("anna", "editor")
    assert people.visitor(token, NOW + LIFE) is None
    people.sign_out(token)
    assert people.visitor(token, NOW + 1) is None


def test_every_sign_in_begins_a_session_of_its_own(people: Accounts) -> None:
    tokens = {people.sign_in("anna", PASSWORD, "10.0.0.1", NOW) for _ in range(3)}
    assert len(tokens) == 3


@pytest.mark.parametrize("name", ["anna", "nobody", "", "an\0na", "x" * 1000])
def test_a_wrong_password_or_name_is_not_let_in(people: Accounts, name: str) -> None:
    for password in ("", "correct horse batter", PASSWORD + " ", "x" * 10_000):
        assert people.sign_in(name, password, "10.0.0.1", NOW) is None


def test_tokens_that_are_none_are_nobody(people: Accounts) -> None:
    token = str(people.sign_in("anna", PASSWORD, "10.0.0.1", NOW))
    assert [people.visitor(text, NOW) for text in ("", token[:-1], token + "x", "ü", "x" * 9999)] == [None] * 5


def test_who_brings_no_token_costs_no_query(people: Accounts, store: Store) -> None:
    taken: list[object] = []
    event.listen(store.database.engine, "checkout", lambda connection, *_: taken.append(connection))
    assert [people.visitor(text, NOW) for text in ("", "ü", "x" * 201)] == [None] * 3
    assert not taken
    people.visitor("x" * 200, NOW)
    assert taken


def test_an_address_that_guesses_is_locked_for_that_account_alone_and_opens_again(people: Accounts) -> None:
    people.add("bob", PASSWORD, "viewer", NOW)
    for n in range(MOST_OF_PAIR):
        assert people.sign_in("anna", "wrong", "10.0.0.1", NOW + n) is None
    with pytest.raises(Locked):
        people.sign_in("anna", PASSWORD, "10.0.0.1", NOW + 10)
    assert people.sign_in("anna", PASSWORD, "10.0.0.2", NOW + 10) is not None
    assert people.sign_in("bob", PASSWORD, "10.0.0.1", NOW + 10) is not None
    assert people.sign_in("anna", PASSWORD, "10.0.0.1", NOW + WINDOW + 10) is not None


def test_guesses_from_everywhere_are_bounded_and_lock_out_nobody_who_has_been_here(people: Accounts) -> None:
    device = people.lockout.device("anna")
    heard = 0
    for n in range(MOST_OF_ACCOUNT + 20):
        try:
            heard += people.sign_in("anna", "wrong", f"10.0.{n}.1", NOW) is None
        except Locked:
            continue
    assert heard == MOST_OF_ACCOUNT
    with pytest.raises(Locked):
        people.sign_in("anna", PASSWORD, "10.9.9.9", NOW + 1)
    assert people.sign_in("anna", PASSWORD, "10.9.9.9", NOW + 1, device) is not None


def test_strangers_behind_the_same_address_lock_out_nobody_who_has_been_here(people: Accounts) -> None:
    """A proxy that is not trusted has one address for all."""
    device = people.lockout.device("anna")
    for n in range(MOST_OF_ADDRESS + 1):
        with suppress(Locked):
            people.sign_in(("anna", f"guess{n}")[n % 2], "wrong", "10.0.0.1", NOW)
    assert people.sign_in("anna", PASSWORD, "10.0.0.1", NOW + 1, device) is not None


@pytest.mark.parametrize("device", ["", "x", "x.y", ".", "ü.ü", "x" * 5000])
def test_a_device_that_is_none_helps_nobody(people: Accounts, device: str) -> None:
    for proof in (device, people.lockout.device("bob")):
        with suppress(Locked):
            for _ in range(MOST_OF_PAIR + 1):
                people.sign_in("anna", "wrong", "10.0.0.1", NOW, proof)
        with pytest.raises(Locked):
            people.sign_in("anna", PASSWORD, "10.0.0.1", NOW, proof)


def test_a_device_that_is_stolen_buys_few_guesses(people: Accounts) -> None:
    device = people.lockout.device("anna")
    heard = 0
    for _ in range(200):
        with suppress(Locked):
            heard += people.sign_in("anna", "wrong", "10.0.0.1", NOW, device) is None
    assert heard == MOST_OF_DEVICE + MOST_OF_PAIR


def test_whoever_runs_the_server_unlocks_an_account_or_all(people: Accounts) -> None:
    def locked(address: str) -> bool:
        try:
            return people.sign_in("anna", PASSWORD, address, NOW) is None
        except Locked:
            return True

    for n in range(MOST_OF_ADDRESS + 1):
        with suppress(Locked):
            people.sign_in("anna", "wrong", "10.0.0.1", NOW)
        with suppress(Locked):
            people.sign_in(f"guess{n}", "wrong", "10.0.0.2", NOW)
    assert (locked("10.0.0.1"), locked("10.0.0.2")) == (True, True)
    people.unlock("anna")
    assert (locked("10.0.0.1"), locked("10.0.0.2")) == (False, True)
    people.unlock(None)
    assert not locked("10.0.0.2")
    with pytest.raises(UsageError, match="there is no account 'bob'"):
        people.unlock("bob")


def test_an_address_is_locked_whatever_names_it_tries(people: Accounts) -> None:
    for n in range(MOST_OF_ADDRESS):
        people.sign_in(f"guess{n}", "wrong", "10.0.0.1", NOW)
    with pytest.raises(Locked):
        people.sign_in("anna", PASSWORD, "10.0.0.1", NOW + 1)
    assert people.sign_in("anna", PASSWORD, "10.0.0.2", NOW + 1) is not None


def test_who_signs_in_often_is_never_locked(people: Accounts) -> None:
    for _ in range(MOST_OF_ADDRESS + 5):
        assert people.sign_in("anna", PASSWORD, "10.0.0.1", NOW) is not None


def test_an_account_of_ones_own_buys_no_further_guesses(people: Accounts) -> None:
    people.add("mallory", PASSWORD, "viewer", NOW)
    for n in range(MOST_OF_ADDRESS - 1):
        people.sign_in(f"guess{n}", "wrong", "10.0.0.1", NOW)
        assert people.sign_in("mallory", PASSWORD, "10.0.0.1", NOW)
    people.sign_in("guess", "wrong", "10.0.0.1", NOW)
    with pytest.raises(Locked):
        people.sign_in("guess", "wrong", "10.0.0.1", NOW)


def test_guesses_at_once_count_like_guesses_in_a_row(people: Accounts) -> None:
    def guess(n: int) -> bool:
        try:
            people.sign_in("anna", f"wrong {n}", "10.0.0.1", NOW)
        except Locked:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(24))) == MOST_OF_PAIR


def test_a_new_password_or_a_removal_ends_all_sessions(people: Accounts) -> None:
    token = str(people.sign_in("anna", PASSWORD, "10.0.0.1", NOW))
    people.set_password("anna", "another long one")
    assert people.visitor(token, NOW) is None
    assert people.sign_in("anna", PASSWORD, "10.0.0.1", NOW) is None
    token = str(people.sign_in("anna", "another long one", "10.0.0.1", NOW))
    people.remove("anna")
    assert people.visitor(token, NOW) is None
    assert people.list() == []


def test_forms_are_bound_to_their_session(people: Accounts) -> None:
    one, other = (str(people.sign_in("anna", PASSWORD, "10.0.0.1", NOW)) for _ in range(2))
    assert people.is_form_token(one, people.form_token(one))
    assert not people.is_form_token(one, people.form_token(other))
    assert not people.is_form_token(one, "")
    assert not people.is_form_token(one, "ü")


@pytest.mark.parametrize(
    ("name", "password", "role", "said"),
    [
        ("anna", PASSWORD, "viewer", "already"),
        ("anna b", PASSWORD, "viewer", "must be 1 to 64"),
        ("", PASSWORD, "viewer", "must be 1 to 64"),
        ("bob", "short", "viewer", "has 5 characters"),
        ("bob", "x" * 1001, "viewer", "has 1001 characters"),
        ("bob", PASSWORD, "boss", "role 'boss' is none of"),
    ],
)
def test_accounts_that_cannot_be(people: Accounts, name: str, password: str, role: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        people.add(name, password, role, NOW)
    assert [person.name for person in people.list()] == ["anna"]


def test_an_account_that_is_not_there_is_named(people: Accounts) -> None:
    with pytest.raises(UsageError, match="there is no account 'bob'"):
        people.remove("bob")
    with pytest.raises(UsageError, match="there is no account 'bob'"):
        people.set_password("bob", PASSWORD)


def test_no_secret_and_no_address_is_in_the_store(people: Accounts, store: Store) -> None:
    token = str(people.sign_in("anna", PASSWORD, "10.99.88.77", NOW))
    people.sign_in("anna", "wrong guess", "10.99.88.77", NOW)
    with store.database.read() as connection:
        rows = str([connection.execute(select(table)).all() for table in (accounts, sessions, attempts)])
    assert "$argon2id$" in rows
    assert "10.99.88.77" not in rows
    for secret in (token, PASSWORD, people.form_token(token)):
        assert secret not in rows
