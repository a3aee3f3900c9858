"""The page of trust: what came of what was said, and from where it is known."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from serving.app import create_app
from serving.http.services import Services
from serving.pages.trust import dots_of, link_of, near_of, picture_of, rows_of
from serving.scoring.served_model import ServedModel
from tests.serving.pages.browser import Visitor
from tests.serving.pages.conftest import Visits
from training.artifact.manifest import Adjustment, AsTrained, Manifest, NewestSlice
from training.calibration.calibrator import IDENTITY
from training.measuring.evaluation import Bin, Estimate
from training.thresholds.calibration_by_month import MonthBand


def test_what_was_said_and_what_came_in_both_languages(visits: Visits) -> None:
    page, seite = visits("viewer").get("/trust").text, visits("viewer", "de").get("/trust").text
    for said in ("as said", "What it cannot know", "No score that this server gave is old", "2024-", "served from"):
        assert said in page
    for said in ("wie gesagt", "Was es nicht wissen kann", "Steckbrief des Modells"):
        assert said in seite


def test_scores_of_this_server_come_first(visits: Visits, services: Services) -> None:
    body = [{"month": "2025-03-01", "band": 1, "leads": 812, "promised": 20.4, "came": 3}]
    services.store.promised_vs_realised._summaries.keep("conversion", "kept", body, 1)
    page = visits("viewer").get("/trust").text
    assert "From the scores that this server gave" in page
    assert "20.4 → 3" in page
    assert "fewer than said" in page
    assert "2025-03" in page


def test_the_judges_slice_comes_before_what_was_learnt_from(live: ServedModel) -> None:
    dots, unseen = dots_of(live)
    assert not unseen
    assert len(dots) == 10
    assert [dot.said for dot in dots] == sorted(dot.said for dot in dots)
    bins = (Bin(0.0, 1.0, 60, 50, 0.1, Estimate(0.3, 0.2, 0.4)),)
    manifest = replace(live.predictor.manifest, judged=NewestSlice("2024-12-01", "2024-12-31", 60, 50, 15, 0.25, bins))
    judged = _with(live, manifest)
    assert [(dot.said, dot.verdict) for dot in dots_of(judged)[0]] == [(0.1, "more")]
    assert dots_of(judged)[1]
    moved = _with(live, replace(manifest, adjustment=adjustment_of(manifest)))
    assert not dots_of(moved)[1], "what was moved since is not what was judged"
    assert all(52 <= spot.x <= 424 and spot.high <= spot.y <= spot.low for spot in picture_of(dots).spots)


def test_months_the_newest_first_each_with_all_its_bands() -> None:
    rows: list[MonthBand] = [MonthBand("2024-01-01", 0, 90, 0.5, 1), MonthBand("2024-02-01", 2, 10, 1.0, 9)]
    rows.append(MonthBand("2024-01-01", 3, 10, 5.0, 4))
    newest, oldest = rows_of(rows, str, 30)
    assert (newest.period, newest.fields[0]) == ("2024-02-01", None)
    assert newest.fields[-1] is not None
    assert newest.fields[-1].verdict == "more"
    whole = oldest.fields[-1]
    assert whole is not None
    assert (whole.leads, whole.promised, whole.came, whole.verdict) == (100, 5.5, 5, "as_said")


def test_a_band_that_is_off_all_year_is_told_though_every_month_is_within_chance(
    visits: Visits, services: Services
) -> None:
    body = [
        {"month": f"2025-{month:02}-01", "band": 3, "leads": 80, "promised": 20.0, "came": came}
        for month, came in enumerate([15, 14, 16] * 4, start=1)
    ]
    services.store.promised_vs_realised._summaries.keep("conversion", "kept", body, 1)
    page = visits("viewer").get("/trust").text
    assert "fewer bought than was said of those at 20% and more: 240.0 were promised, 180 came, 0.75" in page
    assert "weniger als gesagt von denen bei 20\xa0% und mehr" in visits("viewer", "de").get("/trust").text


def test_somebody_who_doubts_a_number_sees_what_became_of_such_leads(visits: Visits, live: ServedModel) -> None:
    doubted = near_of("23 %", live)
    assert doubted is not None
    assert (round(doubted.low, 2), round(doubted.high, 2)) == (0.2, 0.26)
    near = near_of("4,5", live)
    assert near is not None
    assert near.all is not None
    assert sum(row.fields[0].leads for row in near.quarters if row.fields[0]) == near.all.leads
    page = visits("viewer").get("/trust?chance=4%2C5").text
    assert f"Of {near.all.leads} such leads" in page
    assert "scored 3.9% to 5.1%" in page
    assert "No lead of known outcome scored so" in visits("viewer").get("/trust?chance=99").text
    for typed in ("x", "0", "101", "1e999", "-3"):
        assert "no percentage that can be" in visits("viewer").get(f"/trust?chance={typed}").text


@pytest.mark.parametrize(
    ("tracking", "link"),
    [
        ("https://mlflow.example/", "https://mlflow.example/#/models/leadscore-conversion/versions/1"),
        ("sqlite:////var/mlflow.db", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_the_registry_is_a_link_only_where_it_is_on_the_web(
    services: Services, live: ServedModel, visits: Visits, tracking: str, link: str | None
) -> None:
    assert link_of(tracking, live) == link
    visitor = Visitor(create_app(replace(services, tracking=tracking)))
    assert visitor.sign_in("viewer").status_code == 303
    page = visitor.get("/trust").text
    assert page.count("/versions/1") == (link is not None)
    assert ('href="javascript' in page) is False
    visitor.close()


def test_a_model_without_outcomes_says_so(visits: Visits, services: Services, live: ServedModel) -> None:
    services.champion.swap(ServedModel(live.predictor, "leadscore-conversion", "1", live.model.digest))
    assert "No outcomes are known for this model yet" in visits("viewer").get("/trust").text


def adjustment_of(manifest: Manifest) -> Adjustment:
    """One that changes nothing."""
    trained = AsTrained(manifest.calibrator, manifest.thresholds, manifest.evidence, manifest.grounds)
    return Adjustment("intercept", IDENTITY, "2025-01-01", "2025-01-31", 90, 30, (), (), (), trained)


def _with(live: ServedModel, manifest: Manifest) -> ServedModel:
    """The same model with another manifest."""
    other, predictor = copy.copy(live), copy.copy(live.predictor)
    predictor.manifest, other.predictor = manifest, predictor
    return other
