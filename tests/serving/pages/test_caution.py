"""While a model of few conversions stands in, every page with a score and every export says so; else it does not."""

from __future__ import annotations

from dataclasses import replace

from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.trees.predictor import Predictor
from tests.artifacts import NEED, TRAINED_ON
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
