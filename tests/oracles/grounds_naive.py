"""What moves scores and what is said of it, one lead at a time in plain loops; `serving/scoring/` does it for many."""

from __future__ import annotations

from collections.abc import Sequence

from data.contract import US_PER_DAY
from data.histories import Histories
from data.visibility import is_visible
from serving.scoring.reason_selection import Explainer
from serving.scoring.scorer import FeatureScores
from serving.store.scores.reason import Fact

Event = tuple[str, int, int]
"""Type, when it occurred, when it became known."""


def totals_of(explainer: Explainer, scores: FeatureScores, row: int) -> dict[str, float]:
    """What each topic adds to the log-odds of one score."""
    added = explainer.scorer.model.contributions(scores.matrix[row : row + 1])[0].tolist()
    return {topic.name: sum(added[column] for column in topic.columns) for topic in explainer.topics}


def seen_events(histories: Histories, lead: int, as_of: int) -> list[Event]:
    """The events of people that counted for a lead at a moment."""
    seen = []
    for event in range(int(histories.starts[lead]), int(histories.starts[lead + 1])):
        known, wrong = int(histories.known_at[event]), histories.superseded_at
        is_wrong = wrong is not None and is_visible(int(wrong[event]), as_of)
        if is_visible(known, as_of) and not is_wrong and not histories.bot[event]:
            kind = histories.types[histories.event_type[event]]
            seen.append((kind, int(histories.occurred_at[event]), known))
    return seen


def is_true(fact: Fact, explainer: Explainer, events: Sequence[Event], as_of: int) -> bool:
    """Whether the events of a lead bear out what is said of them; what is said of anything else is not looked at."""
    if fact.kind in ("did", "active"):
        meant = {fact.name} if fact.kind == "did" else set(explainer.own)
        times = [at for kind, at, _ in events if kind in meant]
        return sum(as_of - at <= fact.days * US_PER_DAY for at in times) == fact.count and max(times) == fact.at
    if fact.kind in ("quiet", "never"):
        members = {topic.name: topic.types for topic in explainer.topics} | {"activity": tuple(explainer.own)}
        times = [at for kind, at, _ in events if kind in members[fact.name]]
        return (not times) if fact.kind == "never" else max(times) == fact.at and max(times) <= as_of - 7 * US_PER_DAY
    if fact.kind in ("ignored", "answered"):
        contact = explainer.scorer.plan.vocabulary.members("contact")
        asked = [at for kind, at, _ in events if kind in contact]
        answered = max((at for kind, at, _ in events if kind in explainer.answers), default=None)
        if fact.kind == "answered":
            return answered == fact.at and answered is not None and answered >= max(asked)
        return sum(answered is None or at > answered for at in asked) == fact.count
    return True
