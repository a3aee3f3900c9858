"""While a model of few conversions stands in, the list of leads says so; else it does not."""

from __future__ import annotations

from serving.live import Live
from serving.predictor import Predictor
from serving.services import Services
from tests.serving.pages.conftest import Visits
from tests.serving.workshop import Workshop

NEED = {"leads": 400, "converted": 34, "needed": 148, "per_week": 1.0, "criterion": "shrinkage"}


def test_the_list_says_that_a_simple_model_stands_in(visits: Visits, services: Services, workshop: Workshop) -> None:
    assert "148" not in visits("viewer").get("/leads").text
    predictor = Predictor.load(workshop.artifact)
    about = {**predictor.about, "trained_on": {**predictor.about["trained_on"], "small": NEED}}
    services.champion.swap(Live(Predictor(about, predictor.texts), "leadscore-conversion", "3", "d"))
    assert "only 34 leads had converted when the model was made, 148 are needed" in visits("viewer").get("/leads").text
    assert "Erst 34 Leads waren konvertiert" in visits("viewer", "de").get("/leads").text
