"""Reasons have the right sign, add up to the score, and speak of what really happened."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

from data.histories import Histories
from features.kernel import Moments
from features.kinds import FirstTouch
from features.moments import open_moments
from features.wording import day
from serving.messages.schemas import Reasons
from serving.scoring.explanations import MOST, Explainer, subject_of
from serving.scoring.reasons import reasons_of
from serving.scoring.scorer import FeatureScores, Scorer
from serving.store.scores.explanations import Ground
from serving.trees.predictor import Predictor
from workspace import Workspace


@dataclass(frozen=True)
class Explained:
    """Open leads of a bucket, scored, with the grounds of their scores and the reasons in words."""

    scorer: Scorer
    histories: Histories
    moments: Moments
    scores: FeatureScores
    grounds: list[tuple[Ground, ...]]
    reasons: list[Reasons]


@pytest.fixture(scope="module")
def explained(trained: Workspace) -> Explained:
    log, scorer = trained.event_log(), Scorer(Predictor.of(trained.champion()))
    histories = log.bucket(0)
    moments = open_moments(histories, scorer.target, log.observed_until_us + 1)
    scores = scorer.score(histories, moments)
    grounds = Explainer(scorer).grounds(histories, moments, scores)
    reasons = [reasons_of(row, scorer, "en") for row in grounds]
    assert len(reasons) > 50
    return Explained(scorer, histories, moments, scores, grounds, reasons)


def test_fit_engagement_and_base_add_up_to_the_log_odds(explained: Explained, trained: Workspace) -> None:
    model, reference = explained.scorer.model, trained.champion().load()
    assert isinstance(model, Predictor)
    parts = model.parts(explained.scores.matrix)[:, 1:].sum(axis=1)
    np.testing.assert_allclose(parts + model.base, reference.raw(explained.scores.matrix), atol=1e-9)
    np.testing.assert_allclose(model.base, reference.contributions(explained.scores.matrix)[:, -1], atol=1e-9)


def test_at_most_three_for_and_three_against_the_strongest_first(explained: Explained) -> None:
    for reasons in explained.reasons:
        up, down = ([reason.contribution for reason in side] for side in (reasons.speaks_for, reasons.speaks_against))
        assert len(up) <= MOST
        assert len(down) <= MOST
        assert all(value > 0 for value in up)
        assert all(value < 0 for value in down)
        assert up == sorted(up, reverse=True)
        assert down == sorted(down)
    assert max(len(row.speaks_for) + len(row.speaks_against) for row in explained.reasons) == 2 * MOST


def test_no_subject_is_told_twice(explained: Explained) -> None:
    for row in explained.grounds:
        subjects = [subject_of(explained.scorer.definitions[ground.feature]) for ground in row]
        assert len(subjects) == len(set(subjects))


def test_the_value_told_is_the_leads_own_and_the_day_is_one_of_its_events(explained: Explained) -> None:
    days, histories = 0, explained.histories
    for row, reasons in enumerate(explained.reasons):
        lead = explained.moments.lead[row]
        events = slice(*histories.starts[lead : lead + 2])
        happened = {day(moment) for moment in histories.occurred_at[events].tolist()}
        for reason in (*reasons.speaks_for, *reasons.speaks_against):
            value = explained.scores.features.column(reason.feature)[row].as_py()
            if isinstance(value, str):
                assert f": {value}" in reason.words
            for latest in re.findall(r"\(latest ([^)]+)\)", reason.words):
                assert latest in happened
                days += 1
    assert days > 50


def test_the_first_touch_is_not_dated_by_the_latest_event(explained: Explained) -> None:
    ground = Ground(FirstTouch("channel").name, 0.5, "web", None, None)
    (reason,) = reasons_of([ground], explained.scorer, "en").speaks_for
    assert reason.words == "first channel: web"
    first_touches = [ground for row in explained.grounds for ground in row if ground.feature.startswith("first_touch")]
    assert all(ground.occurred_at is None for ground in first_touches)


def test_german_reasons_are_the_same_in_german(explained: Explained) -> None:
    german = [reasons_of(row, explained.scorer, "de") for row in explained.grounds]
    for ours, theirs in zip(explained.reasons, german, strict=True):
        assert [reason.feature for reason in ours.speaks_for] == [reason.feature for reason in theirs.speaks_for]
        assert [reason.contribution for reason in ours.speaks_against] == [
            reason.contribution for reason in theirs.speaks_against
        ]
        assert not any("(latest" in reason.words for reason in theirs.speaks_for)
    assert any("zuletzt" in reason.words for row in german for reason in row.speaks_for)
