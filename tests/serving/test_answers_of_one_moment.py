"""What an answer tells is of one moment of the store, as a page's is: its reads are one snapshot, on one connection."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from serving.http.services import Services
from tests.serving.inside import Inside

NOW = 1_700_000_000_000_000
LEAD, COMPANY = "L-1", "A-1"
PATHS = (
    "/v1/leads",
    f"/v1/leads/{LEAD}",
    "/v1/companies",
    f"/v1/companies/{COMPANY}",
    "/v1/cohorts",
    "/v1/events/rejected",
)


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_one_snapshot(path: str, services: Services, inside: Inside) -> None:
    services.store.leads.put(LEAD, NOW, COMPANY, {"country": "DE"}, NOW)
    assert inside.get(path).status_code == 200  # what is found out at the first look and kept
    taken: list[object] = []
    event.listen(services.store.database.engine, "checkout", lambda connection, *_: taken.append(connection))
    inside.get(path)
    assert len(taken) == 1
