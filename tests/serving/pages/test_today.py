"""Today: sections and what they say of a lead, whose leads they are, what sales does there, and who may."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.applications import Starlette

from data.contract import US_PER_DAY
from serving.app import create_app
from serving.http.services import SalesDesk, Services
from serving.scoring.latest_events import read_latest
from serving.store.events.event_validation import EventIn
from serving.store.leads.work import Deed
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.browser import PASSWORD, Visitor, forms
from tests.serving.pages.conftest import Visits
from training.thresholds.stages import StageThreshold

NOW = time.time_ns() // 1000
STEPS = [StageThreshold("MQL", 0.1), StageThreshold("SQL", 0.2)]
NOT_ALLOWED = 403


def put(store: Store, lead: str, probability: float = 0.23, owner: str | None = "north", latest: str = "{}") -> None:
    """A lead that has been scored."""
    store.leads.put(lead, NOW - 9, "acme", {} if owner is None else {"owner": owner}, NOW)
    score = StoredScore(lead, "conversion", NOW - 5, probability, 0.1, 0.3, "1", "d")
    store.scores.record([score], STEPS, NOW - 5)
    row = WorklistRow(lead, 0.9, -0.5, None, None, NOW - 5, 0, 0, None, latest)
    store.worklist.note("conversion", NOW - 5, [row])


def seconds(days: float) -> int:
    return int((NOW - days * US_PER_DAY) // 1_000_000)


def weekday(days: int) -> str:
    return datetime.fromtimestamp(seconds(days), UTC).strftime("%A")


def test_a_lead_is_told_in_one_sentence_made_of_events(visits: Visits, own_store: Store) -> None:
    happened = f'{{"pricing_view": {seconds(3)}, "whitepaper_download": {seconds(5)}, "page_view": {seconds(2)}}}'
    put(own_store, "L1", latest=happened)
    page = visits("viewer").get("/today").text
    said = f"Looked at prices on {weekday(3)} and downloaded the white paper on {weekday(5)}; nobody has been in touch"
    assert said in page
    for other in ("L1", "acme", "23 of 100", "with north", "Hand to sales", "New for sales <b>1</b>"):
        assert other in page
    own_store.events.add([EventIn("L1", "sales_call", NOW - 1)], NOW)
    page = visits("viewer", "de").get("/today").text
    assert "unser Anruf heute blieb bisher ohne Antwort" in page
    assert "Antwort abwarten" in page


@pytest.mark.parametrize(
    ("kind", "next_step"),
    [("meeting", "Follow up"), ("offer_sent", "Follow up"), ("email_reply", "Answer"), ("unsubscribe", "Call, do not")],
)
def test_the_next_step_knows_what_was_done(visits: Visits, own_store: Store, kind: str, next_step: str) -> None:
    put(own_store, "L1")
    own_store.events.add([EventIn("L1", kind, NOW - 1)], NOW)
    assert f"</b> {next_step}" in visits("viewer").get("/today").text


def test_a_type_of_ones_own_is_told_as_it_is_called(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1", latest=f'{{"<b>{{when}} trial_started": {seconds(0)}}}')
    page = visits("viewer").get("/today").text
    assert "There was “&lt;b&gt;{when} trial started” today" in page


def test_an_owner_sees_their_own_first(services: Services, own_store: Store) -> None:
    own_store.accounts.add("north", PASSWORD, "viewer", 1)
    for lead, owner in (("L-mine", "north"), ("L-theirs", "south"), ("L-nobodys", None)):
        put(own_store, lead, owner=owner)
    visitor = Visitor(create_app(services))
    visitor.sign_in("north")

    def shown(address: str) -> set[str]:
        page = visitor.get(address).text
        return {lead for lead in ("L-mine", "L-theirs", "L-nobodys") if f"<bdi>{lead}</bdi>" in page}

    assert shown("/today") == {"L-mine"}
    assert "1 new lead is nobody’s" in visitor.get("/today").text
    assert shown("/today?whose=all") == {"L-mine", "L-theirs", "L-nobodys"}
    assert shown("/today?whose=nobody") == {"L-nobodys"}
    assert shown("/today?whose=owner&owner=south") == {"L-theirs"}
    assert shown("/today?whose=nonsense&section=x&after=x&utm_source=mail") == {"L-mine"}
    visitor.close()


def test_an_account_whose_owner_has_another_name_is_known(services: Services, own_store: Store) -> None:
    put(own_store, "L1", owner="005A1")
    put(own_store, "L2", owner="south")
    desk = SalesDesk(owners={"viewer": "005A1"}, crm_link="https://crm.example/c/{lead_id}?x=1")
    visitor = Visitor(create_app(replace(services, sales=desk)))
    visitor.sign_in("viewer")
    page = visitor.get("/today").text
    assert "<bdi>L1</bdi>" in page
    assert "<bdi>L2</bdi>" not in page
    assert 'href="https://crm.example/c/L1?x=1"' in page
    visitor.close()


def act(visitor: Visitor, action: str, page: str = "/today", **fields: Any) -> Any:
    return visitor.post("/work", data={**forms(visitor.get(page).text)["/work"], "action": action, **fields})


@pytest.mark.parametrize(
    ("action", "fields", "section"),
    [
        ("take", {}, "in_work"),
        ("accept", {}, "in_work"),
        ("reject", {"reason": "timing"}, "rest"),
        ("snooze", {"days": "3"}, "rest"),
        ("return", {}, "nurture"),
    ],
)
def test_every_action_is_a_form_that_says_what_was_done(
    visits: Visits, own_store: Store, action: str, fields: dict[str, str], section: str
) -> None:
    put(own_store, "L1", owner=None)
    visitor = visits("editor")
    done = act(visitor, action, **fields)
    assert (done.status_code, done.headers["location"].partition("?")[0]) == (303, "/today")
    assert "Lead L1:" in visitor.get(done.headers["location"]).text
    assert "<bdi>L1</bdi>" in visitor.get(f"/today?section={section}").text
    [step] = own_store.work.of("L1")
    assert (step.action, step.who, step.worker) == (action, "account editor", "editor")
    deeds = visitor.get("/leads/L1").text
    assert "account editor:" in deeds
    assert "sales " not in deeds.partition("Who did what")[2].partition("</section>")[0].replace("by sales", "")


def test_who_comes_second_sees_it_and_loses_nothing(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1", owner=None)
    first, second = visits("editor"), visits("admin")
    stale = forms(second.get("/today").text)["/work"]
    act(first, "take")
    answer = second.post("/work", data=stale | {"action": "reject", "reason": "timing"})
    assert answer.status_code == 409
    assert "lead L1 was taken by editor at" in answer.text
    assert [step.action for step in own_store.work.of("L1")] == ["take"]
    again = forms(answer.text)["/work"]
    assert (again["reason"], again["seen"]) == ("timing", "1")
    assert second.post("/work", data=again | {"action": "reject"}).status_code == 303
    assert [step.worker for step in own_store.work.of("L1")] == ["editor", "editor"]


def test_a_viewer_acts_on_their_own_leads_alone(app: Starlette, visits: Visits, own_store: Store) -> None:
    put(own_store, "L-mine", owner="viewer")
    put(own_store, "L-theirs", owner="south")
    visitor = visits("viewer")
    mine = forms(visitor.get("/today").text)["/work"]
    assert visitor.post("/work", data=mine | {"lead": "L-theirs", "action": "take"}).status_code == NOT_ALLOWED
    assert own_store.work.of("L-theirs") == []
    assert visitor.post("/work", data=mine | {"action": "take"}).status_code == 303
    assert "/work" not in forms(visitor.get("/today?whose=owner&owner=south").text)
    own_store.work.act("L-mine", "conversion", Deed("assign", "account eve", "south", 1), NOW)
    assert visitor.post("/work", data=mine | {"action": "take", "seen": "2"}).status_code == NOT_ALLOWED


ACTIONS: dict[str, dict[str, str]] = {
    "take": {},
    "assign": {"owner": "south"},
    "accept": {},
    "reject": {"reason": "timing"},
    "snooze": {"days": "3"},
    "return": {},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("who", "owner", "may"),
    [
        (None, None, False), ("viewer", None, False), ("viewer", "south", False), ("viewer", "viewer", True),
        ("editor", "south", True), ("admin", None, True),
    ],
)  # fmt: skip
def test_every_action_lets_in_exactly_whom_it_may(
    app: Starlette, visits: Visits, own_store: Store, action: str, who: str | None, owner: str | None, may: bool
) -> None:
    put(own_store, "L1", owner=owner)
    put(own_store, "L2", owner="south")
    visitor = visits(who)
    token = app.state.services.store.accounts.form_token(visitor.token) if who else ""
    sent = {"form": token, "lead": "L1", "seen": "0", "back": "/today", "action": action, **ACTIONS[action]}
    answer = visitor.post("/work", data=sent)
    assert [step.action for step in own_store.work.of("L1")] == ([action] if may else [])
    if who is None:
        assert answer.headers["location"].startswith("/sign-in?next=")
    else:
        assert answer.status_code == (303 if may else NOT_ALLOWED)


@pytest.mark.parametrize("fields", [{"action": "steal"}, {"action": "reject", "reason": "x"}, {"seen": "-1"}, {}])
def test_a_form_that_cannot_be_does_nothing(visits: Visits, own_store: Store, fields: dict[str, str]) -> None:
    put(own_store, "L1", owner=None)
    visitor = visits("editor")
    hidden = forms(visitor.get("/today").text)["/work"]
    assert visitor.post("/work", data={**hidden, **fields}).status_code in (409, 422)
    assert own_store.work.of("L1") == []


def test_a_snooze_ends_by_itself(visits: Visits, services: Services, own_store: Store) -> None:
    put(own_store, "L1", owner=None)
    own_store.work.act("L1", "conversion", Deed("snooze", "account editor", "editor", 0, None, NOW - 1), NOW - 2)
    assert "due again" in visits("editor").get("/today?section=in_work").text


def test_stored_leads_are_shown_without_a_model_and_an_empty_store_says_what_to_do(
    visits: Visits, services: Services, own_store: Store
) -> None:
    assert "`leadscore publish` takes the leads of the event log over" in visits("viewer").get("/today").text
    put(own_store, "L1", latest=f'{{"trial_started": {seconds(0)}}}')
    services.champion.live = None
    answer = visits("viewer").get("/today")
    assert answer.status_code == 200
    assert "No model is loaded at the moment" in answer.text
    assert "There was “trial started” today" in answer.text
    assert act(visits("editor"), "take").status_code == 303


def test_a_verdict_is_seen_in_the_acceptance_rate(visits: Visits, own_store: Store) -> None:
    visitor = visits("editor")
    assert "Nobody has accepted or rejected" in visitor.get("/sales").text
    for lead, action in (("L1", "accept"), ("L2", "reject"), ("L3", "reject")):
        put(own_store, lead, owner=None)
        act(visitor, action, "/today?whose=nobody", reason="no_budget")
    page = visitor.get("/sales").text
    for said in ("33%", "no budget", "from 20%", "editor", "100%"):
        assert said in page
    assert "kein Budget" in visits("viewer", "de").get("/sales").text


def test_today_is_that_of_the_time_zone(services: Services, own_store: Store) -> None:
    """An hour before midnight in UTC it is tomorrow in Berlin already."""
    late = datetime(2024, 5, 1, 22, 30, tzinfo=UTC)
    at = int(late.timestamp() * 1_000_000)
    own_store.leads.put("L1", at - 9, None, {}, at)
    own_store.scores.record([StoredScore("L1", "conversion", at, 0.3, 0.1, 0.3, "1", "d")], STEPS, at)
    happened = f'{{"pricing_view": {at // 1_000_000 - 3600}}}'
    own_store.worklist.note("conversion", at, [WorklistRow("L1", 0, 0, None, None, at, 0, 0, None, happened)])
    for zone, when in (("UTC", "today"), ("Europe/Berlin", "yesterday")):
        visitor = Visitor(create_app(replace(services, zone=ZoneInfo(zone), clock=lambda: at + 1)))
        visitor.sign_in("editor")
        page = visitor.get("/today").text
        assert f"Looked at prices {when}" in page
        assert f"Days and times are in {zone}." in page
        visitor.close()


def test_what_lists_keep_of_events_is_read_back() -> None:
    assert read_latest('{"a": 1}') == {"a": 1_000_000}
