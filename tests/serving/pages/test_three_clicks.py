"""What people come for is at most three clicks from Today, at a real server, without a script."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Fact, written_facts
from serving.store.scores.scores import StoredScore
from tests.serving.pages.conftest import Town
from tests.serving.pages.test_today import NOW, STEPS, put
from tests.serving.pages.town import rescore
from tests.serving.pages.walker import Button, PageParser, Walker

MOST = 3


@pytest.fixture(scope="module")
def busy(town: Town, live: ServedModel) -> Town:
    """The town with a plan by which leads stand in every stage, and so in every section."""
    walker = Walker(town.address, "anna").home()
    walker.click("Thresholds").send("Show", week_SQL="6", week_MQL="15").send("Publish this plan")
    assert walker.clicks <= MOST
    assert "Published." in walker.page
    walker.client.close()
    rescore(town.store, live, time.time_ns() // 1000)
    for lead, probability in (("New-1", 0.99), ("New-2", 0.98), ("New-3", 0.97), ("Nurtured", 0.15), ("Fallen", 0.3)):
        put(town.store, lead, probability)
    reason = WorklistRow(
        "New-1", 0.9, -0.5, "recency_any", written_facts([Fact("never", "web")]), NOW - 5, 0, 0, None, "{}"
    )
    town.store.worklist.note("conversion", NOW - 4, [reason])
    fallen = StoredScore("Fallen", "conversion", NOW - 4, 0.12, 0.1, 0.3, "1", "d")
    town.store.scores.record([fallen], STEPS, NOW - 4)
    return town


@pytest.fixture
def walker(busy: Town) -> Iterator[Walker]:
    """An editor on Today, who sees the leads of all."""
    walker = Walker(busy.address, "anna").home()
    yield walker
    assert walker.clicks <= MOST
    walker.client.close()


def first_lead(walker: Walker) -> str:
    """The id of the first lead on the page."""
    return walker.first_link("/leads/")


def test_whom_do_i_call_and_why(walker: Walker) -> None:
    assert first_lead(walker) in walker.page
    assert "Speaks most for it:" in walker.page
    assert re.search(r"<b>Next:</b> \w+", walker.page)
    assert walker.clicks == 0


def test_why_did_it_fall(walker: Walker) -> None:
    walker.click("Cooling")
    walker.click(first_lead(walker))
    assert "Scores over time" in walker.page
    assert "Changes of stage" in walker.page


def test_so_many_a_week(walker: Walker) -> None:
    """What the third click publishes, see `busy`."""
    walker.click("Thresholds").send("Show", week_SQL="5", week_MQL="14")
    assert 'name="week_SQL" inputmode="decimal" value="5"' in walker.page
    assert "Publish this plan" in walker.page


def test_did_last_quarter_hold(walker: Walker) -> None:
    walker.click("Can I trust it?")
    assert "Promised and come" in walker.page


def test_which_campaign_brings_buyers(walker: Walker) -> None:
    walker.click("Funnel")
    assert "Where they came from" in walker.page


def test_a_lead_is_taken(walker: Walker) -> None:
    lead = first_lead(walker)
    walker.send("Take")
    assert f"Lead {lead}: taken." in walker.page


def test_a_lead_is_rejected_with_a_reason_and_the_rate_tells_it(walker: Walker, busy: Town) -> None:
    lead = first_lead(walker)
    walker.send("Reject", reason="timing")
    assert f"Lead {lead}: rejected." in walker.page
    walker.click("Sales")
    assert "What sales made of its leads" in walker.page
    assert re.search(r"<bdi>[^<]+</bdi></th><td>\d+</td><td>1</td>", walker.page)
    assert busy.store.work.of(lead, 1)[0].action == "reject"


def test_who_is_nurtured_next(walker: Walker) -> None:
    walker.click("Nurture next")
    assert first_lead(walker)


def test_is_23_percent_right(walker: Walker) -> None:
    walker.click("Can I trust it?").send("What became of such leads", chance="23")
    assert "Past leads that scored" in walker.page


def test_a_colleagues_leads(walker: Walker) -> None:
    walker.send("Show", owner="south")
    assert '<option value="south" selected>' in walker.page


def test_the_company_of_a_lead(walker: Walker) -> None:
    company = walker.first_link("/companies/")
    walker.click(company)
    assert f"<bdi>{company}</bdi>" in walker.page


def test_an_objection_and_one_click_that_takes_it_back(walker: Walker, busy: Town) -> None:
    lead = first_lead(walker)
    walker.click(lead).click("Note an objection").send("Yes, it objects")
    assert walker.clicks == MOST
    assert "The objection is noted." in walker.page
    assert busy.store.leads.shown(lead) is None
    before = walker.clicks
    walker.send("Undo")
    assert walker.clicks == before + 1
    assert busy.store.leads.shown(lead) is not None
    walker.home()


def test_what_is_folded_away_costs_a_click_more() -> None:
    parser = PageParser()
    parser.feed("<form action=/x><details><summary>Other</summary><button name=a value=b>Go</button></details></form>")
    assert parser.forms[0].buttons == [Button({"a": "b"}, 2, "Go")]


def test_a_story_of_four_clicks_would_be_caught(busy: Town) -> None:
    """Planted: a walk through pages that all exist, one too many."""
    walker = Walker(busy.address, "anna").home()
    for page in ("Leads", "Funnel", "Thresholds", "Sales"):
        walker.click(page)
    assert walker.clicks > MOST
    walker.client.close()
