"""A server within the test's process with an account of each role, and visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from data.store import Store
from data.store_accounts import ROLES, Accounts
from data.store_seal import seal_of
from serving.app import create_app
from serving.services import Services
from tests.serving.pages.browser import PASSWORD, Visitor

Visits = Callable[..., Visitor]


@pytest.fixture
def own_store(own_store: Store) -> Store:
    """An empty store with an account of each role, by the role's name; its hashes are cheap."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(own_store.database, seal_of(own_store.database), cheap)
    for role in ROLES:
        accounts.add(role, PASSWORD, role, 1)
    return replace(own_store, accounts=accounts)


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
def visits(app: FastAPI) -> Iterator[Visits]:
    """Makes visitors, signed in where a role is named."""
    made: list[Visitor] = []

    def visit(role: str | None = None, language: str = "en") -> Visitor:
        visitor = Visitor(app, language)
        made.append(visitor)
        if role is not None:
            assert visitor.sign_in(role).status_code == 303
        return visitor

    yield visit
    for each in made:
        each.close()
