"""Reasons have the right sign, add up to the score, and speak of what really happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from string import Formatter

import numpy as np
import pytest

from data.contract import US_PER_DAY
from data.histories import Histories
from features.kernel import Moments
from features.moments import open_moments
from features.numbers_in_words import LANGUAGES
from serving.messages.schemas import Reasons
from serving.scoring.reason_selection import MOST, Explainer
from serving.scoring.reason_wording import reasons_of, sentence_of
from serving.scoring.scorer import FeatureScores, Scorer
from serving.sentences.deeds import Deed
from serving.sentences.facts import LeadFacts, facts_of
from serving.sentences.telling import Telling, sentences
from serving.sentences.topics import Topic
from serving.store.scores.reason import Fact, TopicReason
from serving.trees.predictor import Predictor
from workspace import Workspace


@dataclass(frozen=True)
class Explained:
    """Open leads of a bucket, scored, with the reasons of their scores, and these in words."""

    scorer: Scorer
    histories: Histories
    moments: Moments
    scores: FeatureScores
    chosen: list[tuple[TopicReason, ...]]
    reasons: list[Reasons]


@pytest.fixture(scope="module")
def explained(trained: Workspace) -> Explained:
    log, scorer = trained.event_log(), Scorer(Predictor.of(trained.champion()))
    histories = log.bucket(0)
    moments = open_moments(histories, scorer.target, log.observed_until_us + 1)
    scores = scorer.score(histories, moments)
    chosen = Explainer(scorer).reasons(histories, moments, scores)
    reasons = [reasons_of(row, scorer, Telling("en", log.observed_until_us + 1)) for row in chosen]
    assert len(reasons) > 50
    return Explained(scorer, histories, moments, scores, chosen, reasons)


def test_fit_engagement_and_base_add_up_to_the_log_odds(explained: Explained, trained: Workspace) -> None:
    model, reference = explained.scorer.model, trained.champion().load()
    assert isinstance(model, Predictor)
    parts = model.parts(explained.scores.matrix)[:, 1:].sum(axis=1)
    np.testing.assert_allclose(parts + model.base, reference.raw(explained.scores.matrix), atol=1e-9)
    np.testing.assert_allclose(model.base, reference.contributions(explained.scores.matrix)[:, -1], atol=1e-9)


def test_at_most_three_for_and_three_against(explained: Explained) -> None:
    for reasons in explained.reasons:
        up, down = ([reason.contribution for reason in side] for side in (reasons.speaks_for, reasons.speaks_against))
        assert len(up) <= MOST
        assert len(down) <= MOST
        assert all(value > 0 for value in up)
        assert all(value < 0 for value in down)
    assert max(len(row.speaks_for) for row in explained.reasons) == MOST
    assert max(len(row.speaks_against) for row in explained.reasons) == MOST


def test_nothing_is_said_twice_of_a_lead(explained: Explained) -> None:
    for chosen, reasons in zip(explained.chosen, explained.reasons, strict=True):
        said = [reason.words for reason in (*reasons.speaks_for, *reasons.speaks_against)]
        assert len(said) == len(set(said))
        done = [fact.name for reason in chosen for fact in reason.facts if fact.kind == "did"]
        assert len(done) == len(set(done))


def test_no_headline_contradicts_common_sense(explained: Explained) -> None:
    """Where more is better a lead is praised for what it did and blamed for its silence, never the other way round."""
    praise, blame = {"did", "active", "answered"}, {"quiet", "never", "ignored"}
    said = {True: set[str](), False: set[str]()}
    for row in explained.chosen:
        for reason in row:
            said[reason.adds > 0] |= {fact.kind for fact in reason.facts}
    assert not said[True] & blame
    assert not said[False] & (praise - {"did"})
    doing = {f.name for row in explained.chosen for g in row for f in g.facts if f.kind == "did" and g.adds < 0}
    assert doing <= {"email_sent", "unsubscribe"}
    assert len(said[True]) >= 3
    assert len(said[False]) >= 3


def test_of_a_lead_that_did_nothing_lately_what_speaks_most_is_told_with_its_day(explained: Explained) -> None:
    later = Moments(explained.moments.lead, explained.moments.as_of + 31 * US_PER_DAY)
    scores = explained.scorer.score(explained.histories, later)
    chosen = Explainer(explained.scorer).reasons(explained.histories, later, scores)
    old = list[Fact]()
    for row, as_of in zip(chosen, later.as_of, strict=True):
        praise = [reason.facts for reason in row if reason.facts and reason.adds > 0]
        done = [fact for facts in praise for fact in facts if fact.kind == "did"]
        assert not done or len(praise) == 1
        assert all(fact.at is not None and as_of - fact.at > 30 * US_PER_DAY for fact in done)
        old += done
    assert old


def test_what_contradicts_it_stays_in_the_table(explained: Explained) -> None:
    others = [reason for row in explained.chosen for reason in row if not reason.facts]
    assert any(reason.topic in ("web", "answer", "email", "content") for reason in others)
    assert sum(map(len, (reasons.others for reasons in explained.reasons))) == len(others)


def test_no_headline_speaks_of_half_lives_or_names_a_column(explained: Explained) -> None:
    for reasons in explained.reasons:
        for reason in (*reasons.speaks_for, *reasons.speaks_against):
            assert not any(sign in reason.words for sign in ("half-life", "_", "profile: x", "share of", "{"))
            assert reason.words[0].isupper()


def test_leads_of_the_top_differ_in_their_first_sentence(explained: Explained) -> None:
    """Of the likeliest twentieth at least six in ten have a first sentence that no other has."""
    order = np.argsort(-explained.scores.probability)[: max(20, len(explained.reasons) // 20)]
    first = [explained.reasons[row].speaks_for[0].words for row in order if explained.reasons[row].speaks_for]
    assert len(set(first)) >= 0.6 * len(first) > 10


def test_sentences_are_those_that_a_salesperson_would_say() -> None:
    saturday = 12 * US_PER_DAY + 5
    telling, words = Telling("en", 14 * US_PER_DAY), {"ticket": {"en": "support tickets", "de": "Anfragen"}}
    fact = Fact("did", "pricing_view", None, 3, 7, 9 * US_PER_DAY)
    cases = {
        (fact,): (
            "Looked at prices three times within 7 days, last on Saturday",
            "Sah sich innerhalb von 7 Tagen dreimal die Preise an, zuletzt am Samstag",
        ),
        (Fact("did", "ticket", None, 1, 30, saturday),): ("Support tickets: on Tuesday", "Anfragen: am Dienstag"),
        (Fact("quiet", "web", at=-21 * US_PER_DAY),): (
            "Has not been on our website for 5 weeks",
            "War seit 5 Wochen nicht mehr auf unserer Website",
        ),
        (Fact("never", "ticket"),): ("Support tickets: none yet", "Anfragen: noch keine"),
        (Fact("fits", "seniority", "director"), Fact("fits", "has_phone", "yes")): (
            "Fits by its profile: seniority director, phone number known: yes",
            "Passt vom Profil her: Position director, Telefonnummer bekannt: ja",
        ),
        (Fact("came", "first_event_type_any", "form_submit"),): ("Sent a form first", "Schickte zuerst ein Formular"),
        (Fact("came", "first_event_type_any", "ticket"),): ("Began with: support tickets", "Begann mit: Anfragen"),
        (Fact("came", "first_channel_any", "email"),): (
            "First came to us through e-mail",
            "Kam zuerst über E-Mail zu uns",
        ),
        (Fact("came", "first_channel_any", "ticket"),): (
            "First came to us through support tickets",
            "Kam zuerst über Anfragen zu uns",
        ),
        (Fact("new", "age", at=13 * US_PER_DAY + 7),): ("Came to us only yesterday", "Kam erst gestern zu uns"),
    }
    for facts, (english, german) in cases.items():
        assert sentence_of(facts, words, telling) == english
        assert sentence_of(facts, words, replace(telling, language="de")) == german


@pytest.mark.parametrize(("days", "kinds"), [(2, []), (6.9, []), (8, ["quiet"])])
def test_nobody_is_told_to_be_out_of_touch_with_whom_we_have_just_met(days: float, kinds: list[str]) -> None:
    now = 100 * US_PER_DAY
    deeds = {
        "email_sent": Deed((0, 1), now - 20 * US_PER_DAY, now - 20 * US_PER_DAY),
        "meeting": Deed((1, 1), now - int(days * US_PER_DAY), now),
    }
    known = LeadFacts(now, deeds, {}, ("meeting",), ("meeting",))
    topic = Topic("contact", "contact", ("email_sent", "sales_call"))
    assert [fact.kind for fact in facts_of(topic, [], -0.5, known, ())] == kinds


def test_every_sentence_is_there_in_both_languages_with_the_same_values() -> None:
    assert len(sentences()) > 80
    for key, said in sentences().items():
        assert set(said) == set(LANGUAGES), key
        fields = [{name for _, name, _, _ in Formatter().parse(said[language]) if name} for language in LANGUAGES]
        assert fields[0] == fields[1], key


def test_german_reasons_are_the_same_in_german(explained: Explained) -> None:
    now = int(explained.moments.as_of[0])
    german = [reasons_of(row, explained.scorer, Telling("de", now)) for row in explained.chosen]
    for ours, theirs in zip(explained.reasons, german, strict=True):
        assert [reason.feature for reason in ours.speaks_for] == [reason.feature for reason in theirs.speaks_for]
        assert [reason.contribution for reason in ours.speaks_against] == [
            reason.contribution for reason in theirs.speaks_against
        ]
        said = {reason.words for reason in (*ours.speaks_for, *ours.speaks_against)}
        assert not said & {reason.words for reason in (*theirs.speaks_for, *theirs.speaks_against)}
    assert any("zuletzt" in reason.words for row in german for reason in row.speaks_for)
