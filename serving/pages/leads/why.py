"""Why a lead stands where it stands, and what has changed, in words: as it was kept when the lead was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.feature_wording import in_words, named
from features.numbers_in_words import number, signed
from serving.pages.rendering.addresses import lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.texts import known
from serving.scoring.reason_wording import figure_of, sentence_of, value_said
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.scores.reason import Explanation, FeatureShift, TopicReason


@dataclass(frozen=True)
class Said:
    """A headline or a shift in words. about: what belongs to it. at: µs UTC of the event that it speaks of, None for
    none; link: where that is."""

    words: str
    is_up: bool
    about: str = ""
    at: int | None = None
    link: str = ""


@dataclass(frozen=True)
class TopicRow:
    """A topic as the model sees it. members: what it is made of, "" for nothing else. adds: log-odds."""

    name: str
    members: str
    figure: str
    adds: str
    is_up: bool


@dataclass(frozen=True)
class Why:
    """table: all topics that move the score, the strongest first. since: `as_of` of the score that shifts are told
    against, None for none.

    between: what came in since then, by type; is_all: false when there was more than is counted.
    """

    speaks_for: Sequence[Said]
    speaks_against: Sequence[Said]
    table: Sequence[TopicRow]
    since: int | None
    shifts: Sequence[Said]
    between: Sequence[str]
    is_all: bool


def why_of(context: PageContext, live: ServedModel, entry: WorklistEntry) -> Why | None:
    """Why a lead has the score that is shown; None when that score was not explained."""
    explanation = context.services.store.explanations.of(live.target.name, entry.lead_id)
    if explanation is None or entry.probability is None or explanation.as_of != entry.as_of:
        return None
    teller = _Teller(context, live, entry.lead_id)
    # A model of another catalogue may have scored: what this one has no words for is left out.
    shifts = [teller.shift(shift) for shift in explanation.shifts if shift.feature in live.definitions]
    reasons = sorted(explanation.reasons, key=lambda reason: -abs(reason.adds))
    shown = [reason for reason in explanation.reasons if reason.facts or not reason.topic]
    said = [teller.headline(reason) for reason in shown if reason.feature in live.definitions]
    return Why(
        [headline for headline in said if headline.is_up],
        [headline for headline in said if not headline.is_up],
        [teller.row(reason) for reason in reasons if reason.feature in live.definitions],
        explanation.since,
        shifts,
        *teller.between(explanation),
    )


def many_in_words(context: PageContext, live: ServedModel, event_type: str) -> str:
    """A type of event in the model's words, which speak of many."""
    return live.scorer.words.get(event_type, {}).get(context.language) or event_type.replace("_", " ")


def one_in_words(context: PageContext, live: ServedModel | None, event_type: str) -> str:
    """One event of a type; a type that the page does not know has the model's words, where there is a model."""
    otherwise = many_in_words(context, live, event_type) if live else event_type.replace("_", " ")
    return known(f"events.{event_type}", context.language, otherwise)


class _Teller:
    """Finds words for one lead."""

    def __init__(self, context: PageContext, live: ServedModel, lead_id: str) -> None:
        self.context, self.live, self.lead_id = context, live, lead_id

    def headline(self, reason: TopicReason) -> Said:
        """What was kept by an earlier version has no facts, and its figure is told."""
        link = "" if reason.known_at is None else f"{lead_address(self.lead_id, until=reason.known_at)}#timeline"
        words, telling = self.live.scorer.words, self.context.telling
        said = (
            sentence_of(reason.facts, words, telling) if reason.facts else figure_of(reason, self.live.scorer, telling)
        )
        return Said(said, reason.adds > 0, self.members(reason.topic), reason.occurred_at, link)

    def row(self, reason: TopicReason) -> TopicRow:
        language, words = self.context.language, self.live.scorer.words
        name = named(reason.topic, language, words) if reason.topic else reason.feature.replace("_", " ")
        figure = figure_of(reason, self.live.scorer, self.context.telling)
        adds = signed(reason.adds, 2, language)
        return TopicRow(name, self.members(reason.topic), figure, adds, reason.adds > 0)

    def members(self, topic: str) -> str:
        """What a group is made of."""
        members = self.live.scorer.plan.vocabulary.groups.get(topic, ())
        return ", ".join(many_in_words(self.context, self.live, member) for member in members)

    def shift(self, shift: FeatureShift) -> Said:
        words, language = self.live.scorer.words, self.context.language
        now, before = (value_said(value, words, language) for value in (shift.now, shift.before))
        what = in_words(self.live.definitions[shift.feature], language, words)
        return Said(self.context.t("lead.shift", what=what, now=now, before=before), shift.adds > 0)

    def between(self, explanation: Explanation) -> tuple[list[str], bool]:
        if explanation.since is None:
            return [], True
        timeline = self.context.services.store.timeline
        counts, is_all = timeline.counts(self.lead_id, explanation.since, explanation.as_of)
        names = ((many_in_words(self.context, self.live, name), count) for name, count in counts.items())
        return [f"{words}: {number(count, 0, self.context.language)}" for words, count in names], is_all
