"""What speaks for and against a lead in words that a salesperson would use: what happened, and when.

Answers, files, lists and pages all tell reasons by `reasons_of` and `sentence_of`.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.contract import CONTEXT, US_PER_DAY
from features.feature_wording import Words, named, value_in_words, with_value
from features.numbers_in_words import Language
from serving.messages.schemas import Reason, Reasons
from serving.scoring.scorer import Scorer
from serving.sentences.telling import Telling
from serving.store.scores.reason import Fact, TopicReason, Value


def reasons_of(chosen: Sequence[TopicReason], scorer: Scorer, telling: Telling) -> Reasons:
    """The reasons of one lead in words: headlines on both sides, and what else moves the score."""
    headlines, others = list[Reason](), list[Reason]()
    for topic in chosen:
        words = sentence_of(topic.facts, scorer.words, telling) if topic.facts else figure_of(topic, scorer, telling)
        (headlines if topic.facts else others).append(Reason(topic.feature, topic.adds, words))
    return Reasons(
        [reason for reason in headlines if reason.contribution > 0],
        [reason for reason in headlines if reason.contribution < 0],
        others,
    )


def sentence_of(facts: Sequence[Fact], words: Words, telling: Telling) -> str:
    """What is said of a lead, e.g. "Looked at prices three times within 7 days, last on Saturday"."""
    first = facts[0]
    said = _profile(facts, words, telling) if first.kind in ("fits", "unfit") else _said(first, words, telling)
    return said[:1].upper() + said[1:]


def figure_of(reason: TopicReason, scorer: Scorer, telling: Telling) -> str:
    """What the model saw, e.g. "website visits in the last 30 days: 4"; what it has no words for by name."""
    definition = scorer.definitions.get(reason.feature)
    if definition is None:
        return reason.feature
    value = value_said(reason.value, scorer.words, telling.language)
    return with_value(definition, value, telling.language, scorer.words)


def value_said(value: Value, words: Words, language: Language) -> str:
    """A value of a feature or of the profile as people read it."""
    return named(value, language, words) if isinstance(value, str) else value_in_words(value, language)


def did(kind: str, at: int, words: Words, telling: Telling, often: str = "") -> str:
    """That a lead did something, when, and how often where it was more than once."""
    when = often or telling.when(at)
    said = telling.known(f"did_{kind}", when=when)
    said = said or telling.t("did_other", what=named(kind, telling.language, words), when=when)
    return telling.t("last", did=said, when=telling.when(at)) if often else said


def fit_share_of(fit: float, engagement: float) -> float:
    """Share of the profile, 0 to 1, in what profile and behaviour add up or down.

    >>> fit_share_of(-0.5, 1.5), fit_share_of(0.0, 0.0)
    (0.25, 0.0)
    """
    return abs(fit) / (abs(fit) + abs(engagement)) if fit or engagement else 0.0


def _said(fact: Fact, words: Words, telling: Telling) -> str:
    at = fact.at or 0
    often = telling.often(fact.count, fact.days) if fact.count > 1 and fact.days else ""
    match fact.kind:
        case "did":
            return did(fact.name, at, words, telling, often)
        case "active":
            said = telling.t("active", when=often or telling.when(at))
            return telling.t("last", did=said, when=telling.when(at)) if often else said
        case "quiet" | "never":
            return _absent(fact, words, telling)
        case "answered":
            return telling.t("answered_us", when=telling.when(at))
        case "ignored":
            return telling.t("ignored", count=fact.count, when=telling.when(at))
        case "new":
            return telling.t("new", since=telling.ago(at))
        case "old":
            return telling.t("old", since=telling.since((telling.now - at) / US_PER_DAY))
    return _came(fact, words, telling)


def _absent(fact: Fact, words: Words, telling: Telling) -> str:
    since = "" if fact.at is None else telling.since((telling.now - fact.at) / US_PER_DAY)
    said = telling.known(f"{fact.kind}_{fact.name}", since=since)
    if said is not None:
        return said
    return telling.t(f"{fact.kind}_other", what=named(fact.name, telling.language, words), since=since)


def _came(fact: Fact, words: Words, telling: Telling) -> str:
    """What it did first, or through which channel it came; a channel may have the name of a group, and is none."""
    what = value_said(fact.value, words, telling.language)
    if "event_type" in fact.name:
        did_first = telling.known(f"did_{fact.value}", when=telling.t("first"))
        return did_first or telling.t("came_event_type", what=what)
    for of in CONTEXT:
        if f"_touch_{of}_" in fact.name:
            return telling.t(f"came_{of}", what=fact.value)
    return telling.t("came_channel", what=telling.known(f"channel_{fact.value}") or what)


def _profile(facts: Sequence[Fact], words: Words, telling: Telling) -> str:
    columns = (_column(fact, words, telling) for fact in facts)
    return telling.t(facts[0].kind, columns=", ".join(columns))


def _column(fact: Fact, words: Words, telling: Telling) -> str:
    name, value = named(fact.name, telling.language, words), value_said(fact.value, words, telling.language)
    return telling.t("column_flag" if fact.value in ("yes", "no") else "column", name=name, value=value)
