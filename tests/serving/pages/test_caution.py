"""While a model of few conversions stands in, or data does not arrive, every page says so; else it does not."""

from __future__ import annotations

from dataclasses import replace

from data.contract import US_PER_DAY
from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.store.events.event_validation import EventIn
from serving.trees.predictor import Predictor
from tests.artifacts import NEED, TRAINED_ON
from tests.serving.inside import Inside
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_exports import put
from tests.serving.workshop import Workshop

PLACES = ("/leads", "/leads/L1", "/print", "/trust", "/thresholds", "/funnel", "/leads.csv")


def test_what_shows_a_score_says_that_a_simple_model_stands_in(
    visits: Visits, services: Services, workshop: Workshop
) -> None:
    put(services.store, services.champion.current(), "L1")
    for address in PLACES:
        assert "148 are needed" not in visits("viewer").get(address).text
    predictor = Predictor.load(workshop.artifact)
    manifest = replace(predictor.manifest, trained_on=replace(TRAINED_ON, small=NEED))
    services.champion.swap(ServedModel(Predictor(manifest, predictor.texts), "leadscore-conversion", "3", "d"))
    for address in PLACES:
        said = "only 34 leads had converted when the model was made, 148 are needed"
        assert visits("viewer").get(address).text.count(said) == 1, address
        assert "Erst 34 Leads waren konvertiert" in visits("viewer", "de").get(address).text


def test_every_page_says_since_when_data_does_not_arrive_and_health_does_too(
    visits: Visits, services: Services, inside: Inside
) -> None:
    live, now = services.champion.current(), services.clock()
    put(services.store, live, "L1")
    services.store.flow.look(live.target, now)
    for address in ("/leads", "/trust"):
        assert 'role="alert"' not in visits("viewer").get(address).text
    services.store.events.add([EventIn("L1", "page_view", now - US_PER_DAY, received_at=now - US_PER_DAY)], now)
    for day in range(10, 90):
        at = now - day * US_PER_DAY
        sent = [
            EventIn("L1", "deal_lost", at, received_at=at, source="<b>crm</b>", event_id=f"{day}-{n}") for n in range(5)
        ]
        services.store.events.add(sent, now)
    services.store.flow.look(live.target, now)
    for address in PLACES[:2] + PLACES[3:6]:
        page = visits("viewer").get(address).text
        assert page.count('role="alert"') == 1, address
        assert "nothing has come from &lt;b&gt;crm&lt;/b&gt;." in page
        assert "kommt nichts mehr von: Ergebnisse von Leads." in visits("viewer", "de").get(address).text
    assert 'role="alert"' not in visits().get("/sign-in").text
    ready = inside.get("/v2/health/ready")
    assert ready.status_code == 200
    assert ready.json()["detail"].startswith("data does not arrive as usual: <b>crm</b> is silent since 2")
