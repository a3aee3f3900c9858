"""What people come for is at most three clicks from Today, with scripts and without."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from serving.scoring.served_model import ServedModel
from serving.store.events.event_validation import EventIn
from serving.store.leads.worklist_query import WantedLeads
from serving.store.store import open_store
from tests.serving.pages.browser import PASSWORD
from tests.serving.pages.town import rescore, settle_in
from tests.serving.server_process import running
from tests.serving.workshop import Workshop

MOST = 3


@pytest.fixture(scope="module")
def address(workshop: Workshop, live: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with leads that came by a campaign, and an editor."""
    folder, now = tmp_path_factory.mktemp("clicks"), time.time_ns() // 1000
    with open_store(f"sqlite:///{folder / 'var' / 'store.db'}") as store, running(workshop, folder) as start:
        settle_in(store, workshop.log, live, now - 2)
        leads = [entry.lead_id for entry in store.worklist.page(WantedLeads(live.target.name), limit=40).entries]
        store.events.add([EventIn(lead, "form_submit", now - 9, campaign="spring fair") for lead in leads], now - 1)
        rescore(store, live, now - 1)
        store.accounts.add("anna", PASSWORD, "editor", now)
        server = start()
        server.ready()
        yield server.url


class Visit:
    """A visit that begins at Today; whatever is clicked counts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address, self.clicks = page, address, 0

    def begin(self) -> Visit:
        self.page.goto(f"{self.address}/today?whose=all")
        self.clicks = 0
        return self

    def click(self, what: str) -> Visit:
        self.page.locator(what).first.click()
        self.clicks += 1
        assert self.clicks <= MOST, f"{what}: one click too many"
        return self

    def says(self, *texts: str) -> None:
        said = self.page.locator("main").inner_text()
        assert not [text for text in texts if text not in said], said[:2000]


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def visit(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Visit]:
    context = chromium.new_context(java_script_enabled=request.param)
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("#name", "anna")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(f"{address}/today")
    yield Visit(page, address)
    context.close()


def test_every_question_is_answered_within_three_clicks(visit: Visit) -> None:
    visit.begin().says("Speaks most for it:", "Next")
    visit.begin().click(".today h3 a").says("Why", "What has changed", "Speaks for it")
    visit.click("text=All that moves the score").says("For this lead", "Adds")
    visit.begin().click(".today h3 a").click("#scores ~ details summary").click("text=Why?")
    visit.says("Score of", "Speaks for it")
    visit.begin().click("header >> text=Thresholds")
    visit.page.fill("#plan-1", "40")
    visit.click("#plan button").says("40")
    visit.begin().click("header >> text=trust")
    visit.page.fill("#chance", "23")
    visit.click("form[action='/trust#near'] button").says("23")
    visit.begin().click("header >> text=Funnel").says("by campaign", "spring fair")
    visit.begin().click(".tabs >> text=Nurture").says("Nurture")


def test_a_lead_is_taken_rejected_and_counted(visit: Visit) -> None:
    visit.begin().click(".today button[value=take]").says("taken")
    visit.begin()
    form = visit.page.locator(".today form.work").first
    form.locator("summary").click()
    form.locator("select[name=reason]").select_option("no_budget")
    form.locator("button[value=reject]").click()
    visit.says("ejected")
    visit.begin().click("header >> text=Sales").says("no budget")


def test_an_objection_is_undone_where_it_was_said(visit: Visit) -> None:
    visit.begin().click(".today h3 a").click("text=Note an objection").click("text=Yes, it objects")
    visit.page.click("text=Undo")
    visit.says("Where it stands")
