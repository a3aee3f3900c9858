"""A score of the past on its own page: made again from the store, to the bit, or with what has changed."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest

from data.contract import US_PER_DAY
from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.store.events.event_validation import EventIn
from serving.store.leads.worklist_query import WantedLeads
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.browser import Visitor
from tests.serving.pages.conftest import Visits
from tests.serving.pages.town import settle_in
from tests.serving.workshop import Workshop

NOW = time.time_ns() // 1000


@pytest.fixture
def town(services: Services, workshop: Workshop, live: ServedModel) -> Store:
    settle_in(services.store, workshop.log, live, NOW)
    return services.store


def words(visitor: Visitor, address: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", visitor.get(address).text)).split())


def address_of(lead: str, as_of: int) -> str:
    return f"/then?lead={lead}&as_of={as_of}"


def test_each_score_of_a_lead_leads_to_its_reasons(visits: Visits, town: Store) -> None:
    entries = town.worklist.page(WantedLeads("conversion"), limit=50).entries
    entry = next(entry for entry in entries if entry.before is not None)
    visitor = visits("viewer")
    links = re.findall(r'href="(/then\?[^"]*)"', visitor.get(f"/leads/{entry.lead_id}").text)
    assert len(links) == len(town.scores.history(entry.lead_id)) == 2
    for link in links:
        said = words(visitor, unescape(link))
        assert "the same, to the bit" in said
        assert "Speaks for it" in said
    assert "bis aufs Bit" in words(visits("viewer", "de"), unescape(links[0]))


def test_what_came_in_later_for_an_earlier_time_is_named(visits: Visits, town: Store) -> None:
    """The lead that has been quiet for longest asked for a demo the day before its score, as one hears afterwards."""
    entries = town.worklist.page(WantedLeads("conversion"), limit=200).entries
    entry = min((entry for entry in entries if entry.probability), key=lambda entry: entry.active_at or 0)
    assert entry.as_of is not None
    at = entry.as_of - US_PER_DAY
    town.events.add([EventIn(entry.lead_id, "demo_request", at, received_at=at)], NOW + 5)
    said = words(visits("viewer"), address_of(entry.lead_id, entry.as_of))
    assert "something has changed since" in said
    assert "Not known then, though it says so: Asked for a demo" in said


def test_another_model_and_what_is_not_there_are_told(visits: Visits, town: Store) -> None:
    lead = town.worklist.page(WantedLeads("conversion"), limit=1).entries[0].lead_id
    town.scores.record([StoredScore(lead, "conversion", NOW + 7, 0.5, 0.4, 0.6, "41", "another")], [], NOW + 7)
    said = words(visits("viewer"), address_of(lead, NOW + 7))
    assert "Version 41 is not in place any more" in said
    assert f"leadscore explain {lead} --as-of" in said
    for wrong in ("/then?lead=nobody&as_of=5", address_of(lead, 5), f"/then?lead={lead}", f"/then?lead={lead}&as_of=x"):
        assert visits("viewer").get(wrong).status_code == 404, wrong
    assert visits("viewer").get("/then").status_code == 303
    town.leads.object(lead, True, NOW)
    assert visits("viewer").get(address_of(lead, NOW + 7)).status_code == 404
