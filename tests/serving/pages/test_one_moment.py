"""What a page tells is of one moment of the store: all that it reads is one snapshot, on one connection."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from serving.http.services import Services
from serving.pages.routes import page_routes
from tests.serving.pages.conftest import Visits

NOW = 1_700_000_000_000_000
LEAD, COMPANY = "L-1", "A-1"
PLACES = {"/leads/{lead_id:path}": f"/leads/{LEAD}", "/companies/{account_id}": f"/companies/{COMPANY}"}
PAGES = sorted(
    PLACES.get(route.path, route.path)
    for route in page_routes()
    if "GET" in (route.methods or ()) and "." not in route.path and "name" not in route.param_convertors
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_one_snapshot(path: str, services: Services, visits: Visits) -> None:
    services.store.leads.put(LEAD, NOW, COMPANY, {"country": "DE"}, NOW)
    visitor = visits("admin")
    visitor.get(path)  # what is found out at the first look and kept
    taken: list[object] = []
    engine = services.store.database.engine
    event.listen(engine, "checkout", lambda connection, *_: taken.append(connection))
    visitor.get(path)
    assert len(taken) == 1
