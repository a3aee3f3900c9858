"""What is kept of why leads score as they do: the same as plain loops find, and shifts that can be redone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from data.contract import US_PER_DAY
from data.histories import FAR, Histories
from features.kernel import Moments
from features.moments import open_moments
from features.views import still_held
from serving.scoring.reason_selection import LEAST, LEAST_SHIFT, MOVED, OTHERS, Explainer, value_of
from serving.scoring.scorer import FeatureScores, Scorer
from serving.store.scores.reason import Explanation, Fact, FeatureShift, TopicReason
from serving.store.store import Store
from serving.trees.predictor import Predictor
from tests.oracles.grounds_naive import is_true, seen_events, totals_of
from workspace import Workspace

WEEK = 7 * US_PER_DAY


@dataclass(frozen=True)
class Scoring:
    """Leads of a bucket, scored at the end of the log, every other one told against a week earlier."""

    scorer: Scorer
    histories: Histories
    moments: Moments
    scores: FeatureScores
    explanations: list[Explanation]

    @property
    def as_of(self) -> int:
        return int(self.moments.as_of[0])


@pytest.fixture(scope="module")
def scoring(trained: Workspace) -> Scoring:
    log, scorer = trained.event_log(), Scorer(Predictor.of(trained.champion()))
    histories = log.bucket(0)
    moments = open_moments(histories, scorer.target, log.observed_until_us + 1)
    scores = scorer.score(histories, moments)
    earlier = dict.fromkeys(histories.lead_ids.to_pylist()[::2], log.observed_until_us + 1 - WEEK)
    explanations = Explainer(scorer).explanations("digest", histories, moments, scores, earlier)
    assert len(explanations) > 20
    return Scoring(scorer, histories, moments, scores, explanations)


def test_grounds_add_what_plain_loops_add(scoring: Scoring) -> None:
    """Every topic that adds enough is there, once, with what all of its features add; headlines first."""
    explainer = Explainer(scoring.scorer)
    for row, explanation in enumerate(scoring.explanations):
        totals = totals_of(explainer, scoring.scores, row)
        assert len({reason.topic for reason in explanation.reasons}) == len(explanation.reasons)
        for reason in explanation.reasons:
            assert reason.adds == pytest.approx(totals[reason.topic], abs=1e-3)
            assert abs(reason.adds) >= LEAST - 1e-3
        topics = {reason.topic for reason in explanation.reasons}
        ignored = [adds for topic, adds in totals.items() if topic not in topics and abs(adds) > LEAST + 1e-3]
        shown = [abs(reason.adds) for reason in explanation.reasons if not reason.facts]
        assert len(shown) == OTHERS or not ignored
        has_facts = [bool(reason.facts) for reason in explanation.reasons]
        assert has_facts == sorted(has_facts, reverse=True)


def are_true(scoring: Scoring, histories: Histories, moments: Moments) -> int:
    """Holds all that is said of leads against their events, and tells how much was said."""
    scores, explainer, said = scoring.scorer.score(histories, moments), Explainer(scoring.scorer), 0
    leads = zip(moments.lead.tolist(), moments.as_of.tolist(), strict=True)
    for (lead, as_of), reasons in zip(leads, explainer.reasons(histories, moments, scores), strict=True):
        events = seen_events(histories, lead, as_of)
        for fact in (fact for reason in reasons for fact in reason.facts):
            assert is_true(fact, explainer, events, as_of), (lead, fact)
            said += 1
    return said


def test_what_is_said_is_true_of_the_events(scoring: Scoring) -> None:
    assert are_true(scoring, scoring.histories, scoring.moments) > 100


def test_what_is_said_is_true_at_a_moment_of_its_own(scoring: Scoring) -> None:
    """As in a request of many: an event that only others can see yet is not spoken of."""
    rng, lead = np.random.default_rng(3), scoring.moments.lead
    moments = Moments(lead, scoring.as_of - rng.integers(0, 60, len(lead)) * US_PER_DAY)
    assert are_true(scoring, scoring.histories, moments) > 100


def test_no_event_is_spoken_of_that_was_known_to_be_wrong(scoring: Scoring) -> None:
    """Every third event proves wrong, some of them only after the moment."""
    late = np.random.default_rng(4).integers(0, 60, scoring.histories.n_events) * US_PER_DAY
    wrong = np.where(np.arange(len(late)) % 3 == 0, scoring.histories.known_at + late, FAR)
    histories = replace(scoring.histories, superseded_at=wrong)
    assert are_true(scoring, histories, scoring.moments) > 100
    scores, held = scoring.scorer.score(histories, scoring.moments), still_held(histories, scoring.as_of)
    reasons = Explainer(scoring.scorer).reasons(histories, scoring.moments, scores)
    assert reasons == Explainer(scoring.scorer).reasons(held, scoring.moments, scores)
    assert reasons != [explanation.reasons for explanation in scoring.explanations]


def test_the_planted_lie_is_seen(scoring: Scoring) -> None:
    """The check itself: one more than was counted, or a silence that was none, is found out."""
    explainer = Explainer(scoring.scorer)
    for lead, explanation in zip(scoring.moments.lead.tolist(), scoring.explanations, strict=True):
        events = seen_events(scoring.histories, lead, scoring.as_of)
        for fact in (fact for reason in explanation.reasons for fact in reason.facts):
            if fact.kind == "did":
                assert not is_true(replace(fact, count=fact.count + 1), explainer, events, scoring.as_of)
                assert not is_true(Fact("never", "activity"), explainer, events, scoring.as_of)
                return
    pytest.fail("no lead did anything")


def test_a_ground_speaks_of_an_event_that_the_lead_has(scoring: Scoring) -> None:
    for explanation, lead in zip(scoring.explanations, scoring.moments.lead.tolist(), strict=True):
        rows = slice(*scoring.histories.starts[lead : lead + 2])
        events = set(
            zip(scoring.histories.occurred_at[rows].tolist(), scoring.histories.known_at[rows].tolist(), strict=True)
        )
        for reason in explanation.reasons:
            assert reason.occurred_at is None or (reason.occurred_at, reason.known_at) in events


def test_shifts_are_what_the_score_would_miss_without_them(scoring: Scoring) -> None:
    """Redone one by one: the score with all features of the same events as they were a week earlier."""
    model, names, shifts = scoring.scorer.model, [feature.name for feature in scoring.scorer.catalogue], 0
    topics = [topic.columns for topic in Explainer(scoring.scorer).topics]
    for row, explanation in enumerate(scoring.explanations):
        then = Moments(scoring.moments.lead[row : row + 1], np.array([scoring.as_of - WEEK]))
        past = scoring.scorer.score(scoring.histories, then)
        ratio = scoring.scores.probability[row] / past.probability[0]
        if explanation.since is None or 1 / MOVED <= ratio <= MOVED:
            assert explanation.shifts == ()
        for shift in explanation.shifts:
            of = next(list(columns) for columns in topics if names.index(shift.feature) in columns)
            as_if = scoring.scores.matrix[row : row + 1].copy()
            as_if[0, of] = past.matrix[0, of]
            adds = model.parts(scoring.scores.matrix[row : row + 1])[0, 0] - model.parts(as_if)[0, 0]
            assert shift.adds == pytest.approx(adds, abs=1e-3)
            assert abs(shift.adds) >= LEAST_SHIFT
            column = names.index(shift.feature)
            assert shift.now == value_of(scoring.scores.features, column, row)
            assert shift.before == value_of(past.features, column, 0) != shift.now
            shifts += 1
    assert shifts > 20


def test_leads_without_an_earlier_score_are_told_none(scoring: Scoring) -> None:
    assert {explanation.since for explanation in scoring.explanations} == {None, scoring.as_of - WEEK}
    assert {explanation.model_digest for explanation in scoring.explanations} == {"digest"}


def test_explanations_are_kept_as_they_are_and_go_with_the_lead(own_store: Store) -> None:
    hostile = "</script>'\"\u202e{{7*7}}"
    said = (Fact("did", hostile, hostile, 2, 7, 1), Fact("fits", hostile, None))
    reasons = (TopicReason(hostile, 0.5, hostile, 1, 2, hostile, said), TopicReason("b", -0.1, None, None, None))
    first = Explanation("L1", 5, "d", reasons, 3, (FeatureShift("c", 1.5, None, -0.3),))
    own_store.leads.put("L1", 1, None, {}, 1, earliest=1)
    own_store.explanations.note("conversion", [first])
    newer = Explanation("L1", 6, "d", (), None, ())
    assert own_store.explanations.of("conversion", "L1") == first
    own_store.explanations.note("conversion", [newer])
    assert own_store.explanations.of("conversion", "L1") == newer
    assert own_store.explanations.of("other", "L1") is None
    assert own_store.erasure.forget("L1", "test", 7).removed["explanations"] == 1
    assert own_store.explanations.of("conversion", "L1") is None
