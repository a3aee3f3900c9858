"""The thresholds' page: what holds in words, what another one would bring, and a change that reaches every answer."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from serving.champion.threshold_overlay import ThresholdOverlay
from serving.http.services import Services
from serving.messages.examples import LEAD
from serving.scoring.served_model import ServedModel
from serving.store.leads.listing import Filters
from serving.store.store import Store
from tests.serving.pages.browser import Visitor, forms
from tests.serving.pages.conftest import Visits
from tests.serving.pages.town import rescore, settle_in
from tests.serving.workshop import Workshop

NOW = time.time_ns() // 1000
WISH = "/thresholds?stage=SQL&by=week&value=10"


@pytest.fixture
def town(services: Services, workshop: Workshop, live: ServedModel) -> Store:
    settle_in(services.store, workshop.log, live, NOW)
    services.champion.overlay = ThresholdOverlay(services.store)
    return services.store


def stages(store: Store) -> list[str | None]:
    return [lead.stage for lead in store.listing.page(Filters(target="conversion"), None, 1000).leads]


def test_what_holds_is_told_in_both_languages(visits: Visits) -> None:
    page = visits("viewer").get("/thresholds").text
    for said in ("As the model was trained, on", "Leads a week", "None so far", "Workload"):
        assert said in page or said == "Workload"
    assert "Wie beim Training festgelegt" in visits("viewer", "de").get("/thresholds").text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by=week&value=2&capacity=1", "no more than 2 new ones a week"),
        ("by=week&value=2&capacity=1", "more than sales can take"),
        ("by=share&value=99", "There is no SQL threshold"),
        ("by=chance&value=1", "A likelihood alone promises nothing"),
        ("by=chance&value=1,5", "SQL from 1.5 of 100"),
    ],
)
def test_what_another_one_would_bring(visits: Visits, query: str, said: str) -> None:
    assert said in visits("viewer").get(f"/thresholds?stage=SQL&{query}").text


@pytest.mark.parametrize(
    "query",
    ["by=x", "stage=XQL", "by=week&value=0", "by=week&value=-1", "by=share&value=nan", "by=share&value=1e999",
     "by=share&value=100", "capacity=x", "by=week&value=1_0", "value=1&value=2", "other=1"],
)  # fmt: skip
def test_a_wish_that_cannot_be_is_said_so(visits: Visits, query: str) -> None:
    assert visits("viewer").get(f"/thresholds?{query}").status_code == 422


def test_a_published_change_reaches_list_and_answers_at_the_next_scoring(
    visits: Visits, services: Services, town: Store, live: ServedModel
) -> None:
    before, visitor = stages(town), visits("editor")
    own = services.champion.current().effective_thresholds.identity
    assert visitor.form(WISH, "/thresholds", reason="capacity").status_code == 303
    services.champion.refresh()
    waiting = visitor.get("/thresholds").text
    assert "waits for the next scoring" in waiting
    assert services.champion.current().effective_thresholds.identity == own, "nothing has changed yet, neither here"
    assert stages(town) == before
    assert visitor("POST", "/v1/score", json=LEAD).json()["threshold_set"]["name"] == "model 1"
    rescore(town, live, NOW + 1)
    services.champion.refresh()
    answer = visitor("POST", "/v1/score", json=LEAD).json()
    assert "by editor, over model 1" in answer["threshold_set"]["name"]
    thresholds = {threshold["stage"]: threshold for threshold in answer["thresholds"]}
    assert (thresholds["SQL"]["rule"], thresholds["SQL"]["target"]) == ("capacity", 10.0)
    assert stages(town) != before, "there is work for sales now"
    assert stages(town).count("SQL") > before.count("SQL")
    assert "threshold change" in {change.cause for name in _sql(town) for change in town.scores.changes(name)}
    page = visits("viewer").get("/thresholds").text
    assert "in force" in page
    assert "sales can take more or fewer" in page
    assert '"stage sql"' in visits("viewer").get("/leads?stage=SQL").text
    entries = [entry for entry in town.audit.entries(limit=1000) if entry.action.startswith("threshold")]
    assert [(entry.who, entry.action) for entry in entries] == [
        ("account editor", "threshold SQL capacity 10: capacity")
    ]


def test_another_model_ends_it_visibly(
    visits: Visits, services: Services, town: Store, live: ServedModel, workshop: Workshop
) -> None:
    visitor = visits("editor")
    visitor.form(WISH, "/thresholds", reason="trial")
    rescore(town, live, NOW + 1)
    other = ServedModel.load(workshop.other, "leadscore-conversion", "2")
    services.champion.swap(other)
    assert services.champion.current().effective_thresholds.identity.name == "model 2"
    assert "ended: it was for model version 1" in visitor.get("/thresholds").text
    services.champion.swap(live)
    assert "by editor, over model 1" in services.champion.current().effective_thresholds.identity.name, (
        "back with its model"
    )


def test_a_stage_is_given_back_to_the_model(visits: Visits, services: Services, town: Store, live: ServedModel) -> None:
    visitor = visits("editor")
    visitor.form(WISH, "/thresholds", reason="trial")
    rescore(town, live, NOW + 1)
    services.champion.refresh()
    fields = forms(visitor.get("/thresholds").text)["/thresholds"]
    assert fields["by"] == "model"
    assert visitor.post("/thresholds", data=fields).status_code == 303
    rescore(town, live, NOW + 2)
    services.champion.refresh()
    assert services.champion.current().effective_thresholds.identity.name == "model 1"


def test_what_cannot_be_promised_or_is_stale_changes_nothing(visits: Visits, town: Store) -> None:
    visitor = visits("editor")
    fields = forms(visitor.get(WISH).text)["/thresholds"] | {"reason": "goal"}
    planted = (
        {"by": "share", "value": "98"},
        {"by": "chance", "value": "5"},
        {"by": "week", "value": "1e9"},
        {"stage": "XQL"},
        {"reason": "anything"},
        {"digest": "another"},
        {"value": "x"},
    )
    for fault in planted:
        assert visitor.post("/thresholds", data=fields | fault).status_code in (409, 422), fault
    assert visitor.post("/thresholds", data=fields | {"form": "0"}).status_code == 403
    assert visits("viewer").post("/thresholds", data=fields).status_code == 403
    assert town.thresholds.history("conversion") == []


def test_a_model_without_grounds_says_so(visits: Visits, services: Services, live: ServedModel) -> None:
    services.champion.swap(ServedModel(live.predictor, "leadscore-conversion", "1", live.model.digest))
    assert "nothing can be tried here" in visits("viewer").get("/thresholds").text


def _sql(store: Store) -> list[str]:
    leads = store.listing.page(Filters(target="conversion", stage="SQL"), None, 1000).leads
    return [lead.lead_id for lead in leads]


PLAN = "/thresholds?plan=week&week_SQL=6&week_MQL=15"


def test_a_plan_for_both_stages_is_published_as_one(visits: Visits, town: Store) -> None:
    visitor = visits("editor")
    page = visitor.get(PLAN).text
    for said in ("in eight weeks of ten", "Each bar is a week from", "Publish this plan", 'value="15"'):
        assert said in page
    assert "Diesen Plan veröffentlichen" in visits("editor", "de").get(PLAN).text
    fields = {"form": forms(page)["/thresholds"]["form"], "digest": forms(page)["/thresholds"]["digest"]}
    plan = {**fields, "plan": "week", "week_SQL": "6", "week_MQL": "15", "reason": "capacity"}
    assert visitor.post("/thresholds", data=plan).headers["location"] == "/thresholds?published=1"
    published = {change.stage: change.threshold for change in town.thresholds.history("conversion")}
    assert {stage: threshold and threshold.rule.target for stage, threshold in published.items()} == {
        "MQL": 15.0,
        "SQL": 6.0,
    }


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"week_SQL": "15", "week_MQL": "6"}, "would not follow the other stage"),
        ({"week_SQL": "0"}, "no lead would ever come here"),
        ({"week_SQL": "1000000"}, "That is more than ever comes"),
        ({"plan": "value", "win": "100", "cost_SQL": "200"}, "less than a win is worth"),
    ],
)
def test_what_cannot_be_published_is_told_before_and_nothing_typed_is_lost(
    visits: Visits, town: Store, typed: dict[str, str], said: str
) -> None:
    visitor, values = visits("editor"), {"plan": "week"} | typed
    page = visitor.get(f"/thresholds?{urlencode(values)}").text
    assert said in page
    assert "The nearest that works" in page
    assert "Publish this plan" not in page
    assert all(f'value="{text}"' in page for name, text in typed.items() if name != "plan")
    sent = {"form": forms(page)["/sign-out"]["form"], **values, "digest": visitor_digest(visitor), "reason": "goal"}
    answer = visitor.post("/thresholds", data=sent)
    assert dict(parse_qsl(urlsplit(answer.headers["location"]).query)) == values, "as it was typed"
    assert town.thresholds.history("conversion") == []


def visitor_digest(visitor: Visitor) -> str:
    return forms(visitor.get(PLAN).text)["/thresholds"]["digest"]
