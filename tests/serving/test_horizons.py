"""Further horizons stand beside a score where they are asked for, never fall, and a model without them says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.contract import UsageError
from data.log.eventlog import EventLog
from features.training_set import TrainingSet
from serving.app import create_app
from serving.champion.champion import Champion
from serving.http.services import Services
from serving.scoring.batch import score_log
from serving.scoring.scorer import Scorer
from serving.scoring.served_model import ServedModel
from serving.trees.predictor import Predictor
from settings import Settings
from tests.artifacts import NEED, TRAINED_ON
from tests.serving.inside import Inside
from tests.serving.workshop import Workshop
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample

LEAD = {
    "profile": {"country": "DE"},
    "events": [
        {"event_type": "pricing_view", "occurred_at": "2024-05-06T10:00:00Z"},
        {"event_type": "demo_request", "occurred_at": "2024-05-07T10:00:00Z"},
    ],
    "as_of": "2024-05-08T00:00:00Z",
}


@pytest.fixture(scope="module")
def hazard(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a hazard model of the workshop's leads."""
    (built,) = (workshop.log.parent / "training_set").iterdir()
    training_set = TrainingSet.open(built)
    parameters = {"folds": 2, "max_rounds": 30, "learning_rate": 0.1, "model": "hazard", "twin": "no"}
    plan = Settings.model_validate({"training": parameters}).training_plan
    fitted = fit_champion(read_sample(training_set), replace(plan, newest_step="no"))
    folder = tmp_path_factory.mktemp("hazard") / "model"
    write_artifact(folder, fitted.model, training_set.recipe, fitted.thresholds, fitted.evidence, TRAINED_ON)
    return folder


@pytest.fixture
def knows(services: Services, hazard: Path) -> Iterator[Inside]:
    """A server with the hazard model."""
    champion = Champion(ServedModel.load(hazard, "leadscore-conversion", "2"), services.metrics.serves)
    with closing(Inside(create_app(replace(services, champion=champion)))) as inside:
        yield inside


def score_of(inside: Inside, query: str = "") -> Any:
    answer = inside.post(f"/v1/score{query}", json=LEAD)
    assert answer.status_code == 200, answer.text
    return answer.json()["score"]


def test_probabilities_within_fewer_days_are_given_and_never_fall(knows: Inside) -> None:
    score = score_of(knows, "?horizons=30,7,14")
    assert list(score["within"]) == ["7", "14", "30"]
    values = list(score["within"].values())
    assert 0 < values[0] < values[1] < values[2] == pytest.approx(score["probability"], abs=1e-9)


def test_who_does_not_ask_gets_the_same_answer_as_ever(knows: Inside) -> None:
    plain, asked = score_of(knows), score_of(knows, "?horizons=7")
    assert "within" not in plain
    assert "caution" not in plain
    assert plain == {name: value for name, value in asked.items() if name != "within"}


@pytest.mark.parametrize("days", ["90", "31", "7,31"])
def test_beyond_what_the_model_knows_is_refused_with_what_it_does(knows: Inside, days: str) -> None:
    answer = knows.post(f"/v1/score?horizons={days}", json=LEAD)
    assert answer.status_code == 409
    assert "up to 30 days" in answer.json()["detail"]


@pytest.mark.parametrize("days", ["", "0", "-7", "7,", "7.5", "07", "seven", "1,2,3,4,5,6,7,8,9", "1e1", "99999"])
def test_what_is_no_list_of_days_is_refused(knows: Inside, days: str) -> None:
    assert knows.post(f"/v1/score?horizons={days}", json=LEAD).status_code == 422


def test_a_model_of_one_horizon_says_that_it_has_no_other(inside: Inside) -> None:
    answer = inside.post("/v1/score?horizons=7", json=LEAD)
    assert answer.status_code == 409
    assert "this model knows its horizon of 30 days alone" in answer.json()["detail"]
    assert list(score_of(inside, "?horizons=30")["within"]) == ["30"]


def test_a_list_of_leads_has_a_column_for_each_horizon(workshop: Workshop, hazard: Path) -> None:
    log, scorer = EventLog.open(workshop.log), Scorer(Predictor.load(hazard))
    leads = score_log(log, scorer, "2", days=[7, 14]).leads
    assert len(leads) > 50
    assert all(0 < lead.within[7] < lead.within[14] < lead.probability for lead in leads)
    assert list(leads[0].row())[-3:] == ["within_7d", "within_14d", "caution"]
    with pytest.raises(UsageError, match="--within: within 60 days: the model knows horizons above 0 and up to 30"):
        score_log(log, scorer, "2", days=[60])


def test_a_list_by_a_model_of_one_horizon_is_refused(workshop: Workshop) -> None:
    scorer = Scorer(Predictor.load(workshop.artifact))
    with pytest.raises(UsageError, match="this model knows its horizon of 30 days alone"):
        score_log(EventLog.open(workshop.log), scorer, "1", days=[7])


def test_a_model_of_few_conversions_says_so_on_every_score(services: Services, workshop: Workshop) -> None:
    predictor = Predictor.load(workshop.artifact)
    small = Predictor(replace(predictor.manifest, trained_on=replace(TRAINED_ON, small=NEED)), predictor.texts)
    champion = Champion(ServedModel(small, "leadscore-conversion", "3", "d"), services.metrics.serves)
    with closing(Inside(create_app(replace(services, champion=champion)))) as inside:
        assert "only 34 leads had converted when the model was made, 148 are needed" in score_of(inside)["caution"]
        many = inside.post("/v1/score/batch", json={"leads": [LEAD, LEAD]}).json()["scores"]
    assert all("148 are needed" in score["caution"] for score in many)
    leads = score_log(EventLog.open(workshop.log), Scorer(small), "3", language="de").leads
    assert all("nötig sind 148" in lead.caution for lead in leads)
