"""Companies on pages and in answers: by their likeliest lead, each with all its leads, and none that object."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from data import companies as limits
from serving.store.leads import companies
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.inside import Inside
from tests.serving.pages.conftest import Visits

NOW = time.time_ns() // 1000
WEEK = 7 * 86_400_000_000


def put(store: Store, lead: str, account: str | None, probability: float, before: float | None = None) -> None:
    """A lead of a company that has been scored, and perhaps a week before, too."""
    store.leads.put(lead, NOW - WEEK - 9, account, {"country": "DE"}, NOW)
    for at, chance in ((NOW - WEEK, before), (NOW, probability)):
        if chance is not None:
            store.scores.record([StoredScore(lead, "conversion", at, chance, 0.1, 0.9, "1", "d")], [], at)
            row = WorklistRow(lead, 0.9, -0.5, "recency_any", "2.25", at - 5, 1, 0, "email")
            store.worklist.note("conversion", at, [row])


@pytest.fixture
def firms(own_store: Store) -> Store:
    for lead, account, chances in (
        ("L1", "Acme & Söhne/Nord", (0.5, 0.2)), ("L2", "Acme & Söhne/Nord", (0.1, 0.1)), ("L3", "initech", (0.3,)),
        ("L4", None, (0.9,)), ("L5", "initech", (0.05,)), ("L6", "quiet", (0.01,)),
    ):  # fmt: skip
        put(own_store, lead, account, *chances)
    own_store.leads.put("L7", NOW, "initech", {}, NOW)
    return own_store


def test_companies_stand_where_their_likeliest_lead_does(visits: Visits, firms: Store) -> None:
    page = visits("viewer").get("/companies").text
    addresses = (f"/company?account_id={quote('Acme & Söhne/Nord', safe='')}", "/companies/initech", "/companies/quiet")
    places = [page.index(address) for address in addresses]
    assert places == sorted(places)
    assert "3 leads" in page
    assert "up from 0.3 a week ago" in page
    assert "L4" not in page
    seite = visits("viewer", "de").get("/companies").text
    assert "vor einer Woche 0,3" in seite
    assert "/companies" in visits("viewer").get("/leads").text


def test_a_company_has_its_leads_stages_activity_and_trend(visits: Visits, firms: Store) -> None:
    page = visits("viewer").get(f"/company?account_id={quote('Acme & Söhne/Nord', safe='')}").text
    by_path = visits("viewer").get(f"/companies/{quote('Acme & Söhne/Nord', safe='')}").text
    assert by_path.partition("<h1")[2] == page.partition("<h1")[2]
    for said in ("Acme &amp; Söhne/Nord", "L1", "L2", "50 of 100", "0.6", "up from 0.3 a week ago", "0 leads"):
        assert said in page
    assert "L3" not in page
    assert visits("viewer").get("/companies/nobody").status_code == 404
    assert "1 not scored yet" in visits("viewer").get("/companies/initech").text
    assert f"/company?account_id={quote('Acme & Söhne/Nord', safe='')}" in visits("viewer").get("/leads/L1").text


def test_who_objects_or_is_erased_is_of_no_company(visits: Visits, firms: Store) -> None:
    firms.leads.object("L3", True, NOW)
    firms.erasure.forget("L5", "test", NOW)
    page = visits("viewer").get("/companies/initech").text
    assert not [lead for lead in ("L3", "L5") if f"{lead}<" in page]
    firms.erasure.forget("L6", "test", NOW)
    assert visits("viewer").get("/companies/quiet").status_code == 404


def test_page_by_page_each_company_stands_once(own_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companies, "LOOKED", 7)
    for i in range(40):
        put(own_store, f"L{i}", None if i % 9 == 0 else f"A{i % 11}", (i * 17 % 40) / 50 + 0.01)
    best: dict[str, float] = {}
    for i in range(40):
        if i % 9:
            best[f"A{i % 11}"] = max(best.get(f"A{i % 11}", 0.0), (i * 17 % 40) / 50 + 0.01)
    names, cursor = [], None
    while True:
        page = own_store.companies.page("conversion", cursor)
        names += [company.account_id for company in page.companies]
        cursor = page.next
        if cursor is None:
            break
    assert names == sorted(best, key=lambda name: -best[name])


def test_an_account_of_more_leads_than_a_company_has_says_so(
    visits: Visits, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companies, "MOST", 3)
    for i in range(6):
        put(own_store, f"L{i}", "gmail.com", 0.1 + i / 100)
    page = visits("viewer").get("/companies/gmail.com").text
    assert "3+" in page
    assert "it may be a default" in page
    assert limits.MOST == 500


def test_services_ask_for_the_same(inside: Inside, firms: Store) -> None:
    listed = inside.get("/v1/companies").json()
    assert [company["account_id"] for company in listed["companies"]] == ["Acme & Söhne/Nord", "initech", "quiet"]
    assert listed["next"] is None
    company = inside.get(f"/v1/companies/{quote('Acme & Söhne/Nord', safe='')}").json()
    assert inside.get(f"/v1/company?account_id={quote('Acme & Söhne/Nord', safe='')}").json() == company
    assert [lead["lead_id"] for lead in company["leads"]] == ["L1", "L2"]
    assert company["expected"] == pytest.approx(0.6)
    assert company["expected_before"] == pytest.approx(0.3)
    assert company["stages"] == {"unqualified": 2}
    assert company["deals"] == {"deal_won": 0, "deal_lost": 0}
    assert inside.get("/v1/companies/nobody").status_code == 404
    assert inside.get("/v1/companies?cursor=nothing").status_code == 404
