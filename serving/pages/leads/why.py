"""Why a lead stands where it stands, and what has changed, in words: as it was kept when the lead was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.wording import number
from features.words import in_words, value_in_words
from serving.pages.rendering.addresses import lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.texts import known
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist import WorklistEntry
from serving.store.scores.explanations import Explanation, FeatureShift, Ground, Value


@dataclass(frozen=True)
class Said:
    """A ground or a shift in words. at: µs UTC of the event that it speaks of, None for none; link: where that is."""

    words: str
    is_up: bool
    at: int | None = None
    link: str = ""


@dataclass(frozen=True)
class Why:
    """since: `as_of` of the score that shifts are told against, None for none.

    between: what came in since then, by type; is_all: false when there was more than is counted.
    """

    speaks_for: Sequence[Said]
    speaks_against: Sequence[Said]
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
    grounds = [teller.ground(ground) for ground in explanation.grounds if ground.feature in live.definitions]
    shifts = [teller.shift(shift) for shift in explanation.shifts if shift.feature in live.definitions]
    return Why(
        [ground for ground in grounds if ground.is_up],
        [ground for ground in grounds if not ground.is_up],
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


def value_said(context: PageContext, live: ServedModel, value: Value) -> str:
    """A value, a type of event among them in words."""
    if isinstance(value, str) and value in live.known_types:
        return one_in_words(context, live, value)
    return value_in_words(value, context.language)


def feature_said(context: PageContext, live: ServedModel, feature: str, value: Value) -> str:
    """What a feature of the model measures, and what it is for one lead."""
    what = in_words(live.definitions[feature], context.language, live.scorer.words)
    return f"{what}: {value_said(context, live, value)}"


class _Teller:
    """Finds words for one lead."""

    def __init__(self, context: PageContext, live: ServedModel, lead_id: str) -> None:
        self.context, self.live, self.lead_id = context, live, lead_id

    def ground(self, ground: Ground) -> Said:
        link = "" if ground.known_at is None else f"{lead_address(self.lead_id, until=ground.known_at)}#timeline"
        words = feature_said(self.context, self.live, ground.feature, ground.value)
        return Said(words, ground.adds > 0, ground.occurred_at, link)

    def shift(self, shift: FeatureShift) -> Said:
        now, before = (value_said(self.context, self.live, value) for value in (shift.now, shift.before))
        what = in_words(self.live.definitions[shift.feature], self.context.language, self.live.scorer.words)
        return Said(self.context.t("lead.shift", what=what, now=now, before=before), shift.adds > 0)

    def between(self, explanation: Explanation) -> tuple[list[str], bool]:
        if explanation.since is None:
            return [], True
        timeline = self.context.services.store.timeline
        counts, is_all = timeline.counts(self.lead_id, explanation.since, explanation.as_of)
        names = ((many_in_words(self.context, self.live, name), count) for name, count in counts.items())
        return [f"{words}: {number(count, 0, self.context.language)}" for words, count in names], is_all
