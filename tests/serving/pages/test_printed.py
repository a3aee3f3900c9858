"""The list on paper: the leads of the list, what it was filtered by, and who is never on it."""

from __future__ import annotations

import pytest

from serving.pages.leads import print_list
from serving.scoring.served_model import ServedModel
from serving.store.store import Store
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_exports import NOW, put


def test_it_says_what_is_on_it(visits: Visits, own_store: Store, live: ServedModel) -> None:
    put(own_store, live, "L1", country="DE", owner="north")
    put(own_store, live, "L2", country="AT")
    page = visits("viewer", "de").get("/print?country=DE&pressed=1&stage=unqualified").text
    for said in (
        "L1",
        "DE · north",
        "Land: DE",
        "zu oft kontaktiert",
        "Stufe: unqualifiziert",
        "25 von 100",
        "Notizen",
    ):
        assert said in page
    assert "L2" not in page
    assert 'href="/leads?country=DE&amp;pressed=1&amp;stage=unqualified"' in page


def test_it_says_that_there_are_more(
    visits: Visits, own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(print_list, "MOST", 3)
    for n in range(4):
        put(own_store, live, f"L{n}")
    page = visits("viewer").get("/print").text
    assert page.count('scope="row"') == 3
    assert "the first 3 of more" in page


def test_a_lead_that_objects_is_not_on_it(visits: Visits, own_store: Store, live: ServedModel) -> None:
    put(own_store, live, "L-objects")
    own_store.leads.object("L-objects", True, NOW)
    assert "L-objects" not in visits("viewer").get("/print").text
    assert visits("viewer").get("/print?order=x").status_code == 422
