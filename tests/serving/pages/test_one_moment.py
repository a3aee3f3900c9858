"""What a page tells is of one moment of the store: all that it reads is one snapshot, on one connection."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from serving.http.services import Services
from serving.pages.routes import page_routes
from tests.serving.pages.conftest import Visits

PAGES = sorted(
    route.path
    for route in page_routes()
    if "GET" in (route.methods or ()) and "{" not in route.path and "." not in route.path
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_one_snapshot(path: str, services: Services, visits: Visits) -> None:
    visitor = visits("admin")
    visitor.get(path)  # what is found out at the first look and kept
    taken: list[object] = []
    engine = services.store.database.engine
    event.listen(engine, "checkout", lambda connection, *_: taken.append(connection))
    visitor.get(path)
    assert len(taken) <= 1
