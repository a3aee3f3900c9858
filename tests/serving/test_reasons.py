"""Reasons have the right sign, add up to the score, and speak of what really happened."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

from data.histories import Histories
from features.kinds import FirstTouch
from features.moments import open_moments
from features.wording import day
from serving.scoring.reasons import MOST, Explainer, Explanation
from serving.scoring.scorer import Scorer, Scores
from serving.trees.predictor import Predictor
from workspace import Workspace


@dataclass(frozen=True)
class Told:
    """Open leads of a bucket, scored and explained."""

    scorer: Scorer
    histories: Histories
    lead: np.ndarray[tuple[int], np.dtype[np.int32]]
    as_of: int
    scores: Scores
    explanations: list[Explanation]


@pytest.fixture(scope="module")
def told(trained: Workspace) -> Told:
    log, scorer = trained.event_log(), Scorer(Predictor.of(trained.champion()))
    histories, as_of = log.bucket(0), log.observed_until_us + 1
    moments = open_moments(histories, scorer.target, as_of)
    scores = scorer.score(histories, moments)
    explanations = Explainer(scorer).explain(histories, moments.lead, moments.as_of, scores)
    assert len(explanations) > 50
    return Told(scorer, histories, moments.lead, as_of, scores, explanations)


def test_fit_engagement_and_base_add_up_to_the_log_odds(told: Told, trained: Workspace) -> None:
    model, reference = told.scorer.model, trained.champion().load()
    assert isinstance(model, Predictor)
    parts = np.array([each.fit + each.engagement for each in told.explanations])
    np.testing.assert_allclose(parts + model.base, reference.raw(told.scores.matrix), atol=1e-9)
    np.testing.assert_allclose(model.base, reference.contributions(told.scores.matrix)[:, -1], atol=1e-9)


def test_at_most_three_for_and_three_against_the_strongest_first(told: Told) -> None:
    for each in told.explanations:
        up, down = ([reason.contribution for reason in side] for side in (each.speaks_for, each.speaks_against))
        assert len(up) <= MOST
        assert len(down) <= MOST
        assert all(value > 0 for value in up)
        assert all(value < 0 for value in down)
        assert up == sorted(up, reverse=True)
        assert down == sorted(down)
        assert 0 <= each.fit_share <= 1
    assert max(len(each.speaks_for) + len(each.speaks_against) for each in told.explanations) == 2 * MOST


def test_no_subject_is_told_twice(told: Told) -> None:
    subject = dict(zip((each.name for each in told.scorer.catalogue), Explainer(told.scorer).subjects, strict=True))
    for each in told.explanations:
        subjects = [subject[reason.feature] for reason in (*each.speaks_for, *each.speaks_against)]
        assert len(subjects) == len(set(subjects))


def test_the_value_told_is_the_leads_own_and_the_day_is_one_of_its_events(told: Told) -> None:
    days = 0
    for row, each in enumerate(told.explanations):
        events = slice(*told.histories.starts[told.lead[row] : told.lead[row] + 2])
        happened = {day(moment) for moment in told.histories.occurred_at[events].tolist()}
        for reason in (*each.speaks_for, *each.speaks_against):
            value = told.scores.features.column(reason.feature)[row].as_py()
            if isinstance(value, str):
                assert f": {value}" in reason.words
            for latest in re.findall(r"\(latest ([^)]+)\)", reason.words):
                assert latest in happened
                days += 1
    assert days > 50


def test_the_first_touch_is_not_dated_by_the_latest_event(told: Told) -> None:
    explainer = Explainer(told.scorer)
    words = explainer._tell(told.histories, int(told.lead[0]), told.as_of, FirstTouch("channel"), "web")
    assert words == "first channel: web"


def test_german_reasons_are_the_same_in_german(told: Told) -> None:
    moments = np.full(len(told.lead), told.as_of)
    german = Explainer(told.scorer, "de").explain(told.histories, told.lead, moments, told.scores)
    for ours, theirs in zip(told.explanations, german, strict=True):
        assert [each.feature for each in ours.speaks_for] == [each.feature for each in theirs.speaks_for]
        assert [each.contribution for each in ours.speaks_against] == [
            each.contribution for each in theirs.speaks_against
        ]
        assert not any("(latest" in each.words for each in theirs.speaks_for)
    assert any("zuletzt" in each.words for every in german for each in every.speaks_for)
