"""Why a lead stands where it stands, and what has changed, in words: as it was kept when the lead was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.words import in_words, value_in_words
from serving.pages.rendering.addresses import lead_address
from serving.pages.rendering.numbers import number
from serving.pages.rendering.page_context import Visit
from serving.pages.rendering.texts import known
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist import Entry
from serving.store.scores.explanations import Explanation, Ground, Shift, Value


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


def why_of(visit: Visit, live: ServedModel, entry: Entry) -> Why | None:
    """Why a lead has the score that is shown; None when that score was not explained."""
    explanation = visit.services.store.explanations.of(live.target.name, entry.lead_id)
    if explanation is None or entry.probability is None or explanation.as_of != entry.as_of:
        return None
    teller = _Teller(visit, live, entry.lead_id)
    # A model of another catalogue may have scored: what this one has no words for is left out.
    grounds = [teller.ground(each) for each in explanation.grounds if each.feature in live.definitions]
    shifts = [teller.shift(each) for each in explanation.shifts if each.feature in live.definitions]
    return Why(
        [each for each in grounds if each.is_up],
        [each for each in grounds if not each.is_up],
        explanation.since,
        shifts,
        *teller.between(explanation),
    )


def many_in_words(visit: Visit, live: ServedModel, event_type: str) -> str:
    """A type of event in the model's words, which speak of many."""
    return live.scorer.words.get(event_type, {}).get(visit.language) or event_type.replace("_", " ")


def one_in_words(visit: Visit, live: ServedModel, event_type: str) -> str:
    """One event of a type; a type that the page does not know has the model's words."""
    return known(f"events.{event_type}", visit.language, many_in_words(visit, live, event_type))


class _Teller:
    """Finds words for one lead."""

    def __init__(self, visit: Visit, live: ServedModel, lead_id: str) -> None:
        self.visit, self.live, self.lead_id = visit, live, lead_id

    def ground(self, each: Ground) -> Said:
        link = "" if each.known_at is None else f"{lead_address(self.lead_id)}?until={each.known_at}#timeline"
        return Said(f"{self.words(each.feature)}: {self.value(each.value)}", each.adds > 0, each.occurred_at, link)

    def shift(self, each: Shift) -> Said:
        values = {"now": self.value(each.now), "before": self.value(each.before)}
        return Said(self.visit.t("lead.shift", what=self.words(each.feature), **values), each.adds > 0)

    def between(self, explanation: Explanation) -> tuple[list[str], bool]:
        if explanation.since is None:
            return [], True
        timeline = self.visit.services.store.timeline
        counts, is_all = timeline.counts(self.lead_id, explanation.since, explanation.as_of)
        told = ((many_in_words(self.visit, self.live, name), count) for name, count in counts.items())
        return [f"{words}: {number(count, 0, self.visit.language)}" for words, count in told], is_all

    def words(self, feature: str) -> str:
        return in_words(self.live.definitions[feature], self.visit.language, self.live.scorer.words)

    def value(self, value: Value) -> str:
        """A value, a type of event among them in words."""
        if isinstance(value, str) and value in self.live.known_types:
            return one_in_words(self.visit, self.live, value)
        return value_in_words(value, self.visit.language)
