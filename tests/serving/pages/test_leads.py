"""The list of leads: what it says in words, what it filters, and whom it never shows."""

from __future__ import annotations

import re
import time

import pytest

from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Explanation, Fact, TopicReason, written_facts
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.conftest import Visits
from tests.serving.pages.town import settle_in
from tests.serving.workshop import Workshop

NOW = time.time_ns() // 1000


@pytest.fixture
def town(services: Services, workshop: Workshop, live: ServedModel) -> Store:
    settle_in(services.store, workshop.log, live, NOW)
    return services.store


def put(store: Store, lead: str, probability: float = 0.231, **attributes: str) -> None:
    """A lead that has been scored."""
    store.leads.put(lead, NOW - 9, None, attributes, NOW)
    store.scores.record([StoredScore(lead, "conversion", NOW, probability, 0.1, 0.3, "1", "d")], [], NOW)
    store.worklist.note(
        "conversion", NOW, [WorklistRow(lead, 0.9, -0.5, "recency_any", "2.25", NOW - 5, 7, 6, "email")]
    )


def test_a_lead_is_told_in_words_in_both_languages(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1", country="DE", owner="north")
    page = visits("viewer").get("/leads").text
    for said in ("L1", "23 of 100", "DE · north", "new", "7 contacts in 30 days", "last 6 unanswered", "today"):
        assert said in page
    assert "the profile speaks for it, strength 2 of 5" in page
    assert "the behaviour speaks against it, strength 1 of 5" in page
    seite = visits("viewer", "de").get("/leads").text
    for said in ("23 von 100", "7 Kontakte in 30 Tagen", "heute", "zu oft kontaktiert"):
        assert said in seite


def test_reasons_of_scored_leads_are_words(visits: Visits, town: Store) -> None:
    page = visits("viewer", "de").get("/leads").text
    assert page.count('role="rowheader"') > 20
    assert "Tage" in page
    assert "_ever" not in page


def test_list_today_and_the_leads_own_page_say_the_same(visits: Visits, own_store: Store) -> None:
    facts = (Fact("did", "whitepaper_download", None, 2, 7, NOW - 5),)
    put(own_store, "L1")
    own_store.explanations.note(
        "conversion",
        [Explanation("L1", NOW, "d", (TopicReason("recency_any", 1.0, None, None, None, "content", facts),), None, ())],
    )
    row = WorklistRow("L1", 0.9, -0.5, "recency_any", written_facts(facts), NOW - 5, 7, 6, "email")
    own_store.worklist.note("conversion", NOW, [row])
    for address in ("/leads", "/today?section=rest", "/leads/L1"):
        assert "Downloaded the white paper twice within 7 days" in visits("viewer").get(address).text, address


def test_a_reason_of_an_earlier_version_is_not_told_in_the_list(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    row = WorklistRow("L1", 0.9, -0.5, "count_web_7d", "3.0", NOW - 5, 7, 6, "email")
    own_store.worklist.note("conversion", NOW, [row])
    assert visits("viewer").get("/leads").status_code == 200


def test_leads_that_have_left_are_not_among_the_likeliest(visits: Visits, town: Store) -> None:
    page = visits("viewer").get("/leads").text
    assert '"stage customer"' not in page
    assert '"stage customer"' in visits("viewer").get("/leads?stage=customer&order=lead_id").text


def test_a_lead_that_objects_or_was_erased_is_nowhere(visits: Visits, own_store: Store) -> None:
    for lead in ("L-objects", "L-erased", "L-stays"):
        put(own_store, lead)
    own_store.leads.object("L-objects", True, NOW)
    own_store.erasure.forget("L-erased", "test", NOW)
    for address in ("/leads", "/leads?order=lead_id", "/leads?order=activity", "/leads?search=L-", "/leads?pressed=1"):
        page = visits("viewer").get(address).text
        assert "L-stays" in page
        assert "L-objects" not in page
        assert "L-erased" not in page


def test_a_page_that_has_looked_far_enough_says_so_and_goes_on(
    visits: Visits, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.leads.worklist_query.LOOKED", 10)
    monkeypatch.setattr("serving.store.leads.worklist.LOOKED", 10)
    for n in range(30):
        put(
            own_store, f"L{n:02}", (30 - n) / 40, country="DE" if n < 15 else "AT", owner="north" if n > 13 else "south"
        )
    visitor = visits("viewer")
    first = visitor.get("/leads?country=DE&owner=north").text
    assert "Among the next 10 leads in this order 0 fit all filters together" in first
    assert "No lead fits" not in first
    second = visitor.get(re.findall(r'href="([^"]+)" rel="next">Look further', first)[0].replace("&amp;", "&")).text
    assert "<bdi>L14</bdi>" in second
    assert 'rel="next"' not in second


def test_every_lead_stands_on_exactly_one_page(visits: Visits, own_store: Store) -> None:
    names = {f"L-{n:03}" for n in range(120)}
    for n, name in enumerate(sorted(names)):
        put(own_store, name, (n % 4) / 5)
    visitor, address, lead_ids = visits("viewer"), "/leads", []
    while address:
        page = visitor.get(address).text
        lead_ids += [word.partition("<")[0] for word in page.split("<bdi>")[1:]]
        nexts = [part.partition('"')[0] for part in page.split('class="button" href="')[1:]]
        address = nexts[0].replace("&amp;", "&") if nexts else ""
    assert sorted(lead_ids) == sorted(names)


def test_what_a_mail_program_adds_to_an_address_is_ignored(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    assert "<bdi>L1</bdi>" in visits("viewer").get("/leads?utm_source=mail&utm_source=mail").text
    assert visits("viewer").get("/leads/L1?utm_source=mail").status_code == 200
    assert visits("viewer").get("/leads.csv?utm_source=mail").status_code == 422, (
        "nobody looks at what a file leaves out"
    )


def test_customers_are_shown_when_they_are_asked_for(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    own_store.scores.settle(["L1"], "conversion", "customer", "converted", NOW + 1)
    assert "<bdi>L1</bdi>" not in visits("viewer").get("/leads").text
    assert "<bdi>L1</bdi>" in visits("viewer").get("/leads?stage=customer").text


def test_a_search_finds_by_beginning_then_company_then_anywhere(visits: Visits, own_store: Store) -> None:
    for lead, company in (("ab-1", "zet"), ("b-2", "acme"), ("x-acme-3", None), ("%_", None)):
        own_store.leads.put(lead, NOW - 9, company, {}, NOW)
        own_store.scores.record([StoredScore(lead, "conversion", NOW, 0.3, 0.1, 0.3, "1", "d")], [], NOW)

    def found(search: str, **more: str) -> list[str]:
        page = visits("viewer").get("/leads", params={"search": search, **more}).text
        return [part.partition("<")[0] for part in page.split("<bdi>")[1:]]

    assert found("ab") == ["ab-1"]
    assert found("acme") == ["b-2"]
    assert found("cme-3") == ["x-acme-3"]
    assert found("%") == ["%_"], "no sign of a search means anything else"
    assert found("_") == ["%_"]
    assert found("nobody") == []


def test_another_view_keeps_owner_country_and_channel(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1", owner="north", country="DE")
    page = visits("viewer").get("/leads?owner=north&country=DE&stage=SQL&order=activity").text
    assert 'href="/leads?owner=north&amp;country=DE&amp;rising=1"' in page.replace(
        "country=DE&amp;owner=north", "owner=north&amp;country=DE"
    )


def test_back_from_a_lead_keeps_the_filters(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    visitor = visits("viewer")
    for came, back in (
        ("http://inside/leads?owner=north", "/leads?owner=north"),
        ("http://inside/today?section=rest", "/today?section=rest"),
        ("https://evil.example/leads?x=1", "/leads"),
        ("http://inside/thresholds", "/leads"),
    ):
        page = visitor.get("/leads/L1", headers={"referer": came}).text
        assert f'<p class="no-print"><a href="{back}">' in page


def test_after_an_ended_session_the_form_is_there_again(visits: Visits, own_store: Store) -> None:
    asked = visits().post("/decisions", data={"lead": "L1"}, headers={"referer": "http://inside/leads/L1"})
    assert asked.headers["location"] == "/sign-in?next=%2Fleads%2FL1"


@pytest.mark.parametrize(
    "query", ["order=x", "rising=2", "after=x", "stage=SQL&stage=MQL", "search=" + "x" * 900, "stage=%00"]
)
def test_an_address_that_cannot_be_is_said_so(visits: Visits, query: str) -> None:
    page = visits("viewer", "de").get(f"/leads?{query}")
    assert page.status_code == 422
    assert "nicht erlaubt" in page.text


def test_without_leads_it_says_what_to_wait_for_and_without_a_model_it_shows_what_is_stored(
    visits: Visits, services: Services, own_store: Store
) -> None:
    assert "No lead fits" in visits("viewer").get("/leads?stage=SQL").text
    assert "`leadscore publish` takes the leads of the event log over" in visits("viewer").get("/leads").text
    assert "übernimmt `leadscore publish` die Leads des Ereignisprotokolls" in visits("viewer", "de").get("/leads").text
    services.champion.live = None
    put(own_store, "L1")
    page = visits("viewer").get("/leads")
    assert page.status_code == 200
    assert "No model is loaded at the moment" in page.text
    assert "<bdi>L1</bdi>" in page.text
    assert visits("viewer").get("/leads/L1").status_code == 200
    assert visits("viewer").get("/thresholds").status_code == 503


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "${7*7}#{7*7}",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "\u2066a\u2069b\u200b\u200f",
    "a\u0085b\u009fc",
    "x" * 200,
    "{context.services.store}",
    "%s%n{0}",
    "\ufeff\ufffb",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(visits: Visits, own_store: Store, hostile: str) -> None:
    put(own_store, hostile, country=hostile, owner=hostile)
    own_store.worklist.note("conversion", NOW, [WorklistRow(hostile, 1.0, 1.0, hostile, hostile, NOW, 1, 1, hostile)])
    for address in ("/leads", "/leads?order=lead_id"):
        answer = visits("viewer").get(address)
        assert answer.status_code == 200
        assert answer.text.count("<script") == 0
        assert "<img src=x" not in answer.text
        assert "<svg/" not in answer.text
        assert not {
            character
            for character in answer.text
            if character in "\u202e\u2066\u2069\u200b\u200f\u0085\u009f\ufeff\ufffb"
        }
    assert ("7*7" in hostile) == ("7*7" in answer.text), "nothing is computed"
    searched = visits("viewer").get("/leads", params={"search": hostile, "country": hostile})
    assert searched.status_code == 200
    assert searched.text.count("<script") == 0
