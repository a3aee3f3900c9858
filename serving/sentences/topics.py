"""What features are told as one reason: of pages, of e-mails, of the profile; and what is expected of more of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from data.vocabulary import ANY, NAMING, Expected, Vocabulary
from features.feature_wording import COMMON, Words
from features.kinds import Age, Definition, FirstTouch, IgnoredInRow, LastTouch, Max, Mean, Sum

Kind = Literal["deeds", "activity", "contact", "fit", "age", "origin", "worth"]
CONTACT, ANSWER = "contact", "answer"


@dataclass(frozen=True)
class Topic:
    """Features that are told as one. name: a group or a type of event, or the kind where neither is meant.

    columns: their places in the catalogue. types: events that they measure. expected: what common sense says of more.
    """

    name: str
    kind: Kind
    types: tuple[str, ...] = ()
    expected: Expected = "nothing"
    columns: tuple[int, ...] = ()


def topics_of(
    catalogue: Sequence[Definition], vocabulary: Vocabulary, words: Words, ends: Collection[str] = ()
) -> list[Topic]:
    """The topics of a catalogue, every feature in one of them. ends: event types by which a lead is won or lost.

    >>> from features.kinds import Count, Profile
    >>> words = Vocabulary(("page_view", "pricing_view"), {"web": ("page_view", "pricing_view")})
    >>> features = [Count("page_view", 30), Profile("country"), Count("web", 7)]
    >>> [(topic.name, topic.columns, topic.expected) for topic in topics_of(features, words, {})]
    [('web', (0, 2), 'more is better'), ('fit', (1,), 'nothing')]
    """
    topics: dict[str, Topic] = {}
    for column, definition in enumerate(catalogue):
        name, kind = _place_of(definition, vocabulary)
        topic = topics.get(name) or Topic(name, kind, _types(name, kind, vocabulary, ends), expected_of(name, words))
        topics[name] = replace(topic, columns=(*topic.columns, column))
    return list(topics.values())


def expected_of(name: str, words: Words) -> Expected:
    """What common sense says of more of a type or group of events, or of a profile column.

    >>> expected_of("web", {}), expected_of("chat", {"chat": {"expect": "less is better"}}), expected_of("x", {})
    ('more is better', 'less is better', 'nothing')
    """
    said: Mapping[str, str] = {**COMMON.get(name, {}), **words.get(name, {})}
    return said.get("expect", "nothing")  # type: ignore[return-value]


def _place_of(definition: Definition, vocabulary: Vocabulary) -> tuple[str, Kind]:
    if definition.family == "fit":
        return "fit", "fit"
    if isinstance(definition, Age):
        return "age", "age"
    if isinstance(definition, FirstTouch):
        return "origin", "origin"
    if isinstance(definition, Sum | Mean | Max):
        return "worth", "worth"
    if isinstance(definition, IgnoredInRow):
        return definition.contacts, "contact"
    events = ANY if isinstance(definition, LastTouch) else str(getattr(definition, "events", ANY))
    if events == ANY or events in NAMING:
        return "activity", "activity"
    group = _group_of(events, vocabulary)
    return group, "contact" if group == CONTACT else "deeds"


def _group_of(events: str, vocabulary: Vocabulary) -> str:
    """The smallest group with a type; the answers, in which much else is, only where there is no other."""
    if events in vocabulary.groups:
        return events
    holding = [name for name, members in vocabulary.groups.items() if events in members]
    return min(holding, key=lambda name: (name == ANSWER, len(vocabulary.groups[name])), default=events)


def _types(name: str, kind: Kind, vocabulary: Vocabulary, ends: Collection[str]) -> tuple[str, ...]:
    """Events that a topic is about; to be active is what a lead does itself."""
    if kind == "activity":
        apart = {*vocabulary.groups.get(CONTACT, ()), *ends}
        return tuple(name for name in vocabulary.types if name not in apart)
    return vocabulary.members(name) if kind in ("deeds", "contact") else ()
