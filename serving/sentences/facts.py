"""What can be said of a lead about a topic: what it did and when, how long it has been quiet, what its profile says.

A reason must be honest and must not contradict common sense. Where more is better, what speaks for a lead is told by
something it did lately, and what speaks against it by its silence; the contrary is no headline, and has no facts. What
it did longer ago is told, with its day, of leads for which nothing else speaks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from data.contract import US_PER_DAY
from data.vocabulary import LESS, MORE
from features.feature_wording import Words
from serving.sentences.deeds import SPANS, Deed
from serving.sentences.topics import ANSWER, Topic, expected_of
from serving.store.scores.reason import Fact, Value

TELLING = (
    "offer_view", "demo_request", "inbound_call", "email_reply", "meeting", "pricing_view", "chat_message",
    "form_submit", "unsubscribe", "webinar_attended", "whitepaper_download", "call_answered", "webinar_signup",
    "ebook_download", "newsletter_signup", "email_click",
)  # fmt: skip
"""What people want to hear first; after these come types of one's own, then SLIGHT."""
BY_ITSELF = TELLING[: TELLING.index("unsubscribe")]
"""By these a lead turns to us."""
SLIGHT = ("blog_visit", "social_engagement", "page_view", "email_open")
MUTUAL = ("meeting", "call_answered")
"""Who has met or spoken to us was in touch with us, whoever asked for it."""
QUIET_DAYS = 7
"""Who did something within so many days is not quiet."""
NEW_DAYS, OLD_DAYS = 60, 30
"""A lead is new, or has been known for long, by so many days."""
FEWEST_IGNORED = 2
COLUMNS = 2
"""So many columns of the profile are named in one sentence."""
SPEAKS = 0.02
"""Log-odds from which on a single feature is taken to say something itself."""


@dataclass(frozen=True)
class Part:
    """A feature of a topic for one lead: event type or profile column, what it adds (log-odds), and its value."""

    kind: str
    name: str
    adds: float
    value: Value


@dataclass(frozen=True)
class LeadFacts:
    """What is known of a lead at a moment (µs UTC). answers: types by which it answers. own: types that it does
    itself. lately: days within which a deed is told."""

    as_of: int
    deeds: Mapping[str, Deed]
    words: Words
    answers: Collection[str]
    own: Collection[str]
    lately: float = SPANS[-1]

    def latest(self, types: Collection[str]) -> int | None:
        """When the latest of some types occurred."""
        return max((self.deeds[name].occurred_at for name in types if name in self.deeds), default=None)

    def days_since(self, at: int) -> float:
        """Days from then to the moment."""
        return (self.as_of - at) / US_PER_DAY


def facts_of(
    topic: Topic, parts: Sequence[Part], adds: float, known: LeadFacts, named: Collection[str]
) -> tuple[Fact, ...]:
    """What is said of a topic that adds so much to a score; nothing where that would contradict common sense.

    named: event types that another reason speaks of already.
    """
    speaks_for = adds > 0
    match topic.kind:
        case "fit":
            return _fit(parts, speaks_for)
        case "age":
            return _age(parts, speaks_for, known)
        case "origin":
            return _origin(parts, speaks_for)
        case "worth":
            return ()
        case "contact":
            return _contact(topic, parts, known, named) if speaks_for else _pressure(topic, parts, known)
        case "activity" if speaks_for:
            return _active(topic, known)
    if topic.expected == LESS:
        return () if speaks_for else _did(topic, parts, known, named)
    if speaks_for:
        return _did(topic, parts, known, named)
    return _quiet(topic, known) or (() if topic.expected == MORE else _did(topic, parts, known, named))


def slightness(kind: str) -> int:
    """How little a type of event tells: what people want to hear first has the lowest number."""
    if kind in TELLING:
        return TELLING.index(kind)
    return len(TELLING) + (1 + SLIGHT.index(kind) if kind in SLIGHT else 0)


def _did(topic: Topic, parts: Sequence[Part], known: LeadFacts, named: Collection[str]) -> tuple[Fact, ...]:
    """The most telling thing of a topic that was done lately and does not itself speak to the other side."""
    adds: dict[str, float] = {}
    for part in parts:
        adds[part.name] = adds.get(part.name, 0.0) + part.adds
    sign = 1 if sum(adds.values()) > 0 else -1
    done = [
        name
        for name in topic.types
        if name in known.deeds and known.days_since(known.deeds[name].occurred_at) <= known.lately and name not in named
        if sign * adds.get(name, 0.0) > -SPEAKS and _is_sense(name, topic, sign, known.words)
    ]
    if not done:
        return ()
    name = min(done, key=lambda name: (slightness(name), -known.deeds[name].occurred_at))
    return (_counted("did", name, known.deeds[name]),)


def _is_sense(name: str, topic: Topic, sign: int, words: Words) -> bool:
    """Whether more of a type may speak for (1) or against (-1) a lead."""
    expected = expected_of(name, words)
    expected = topic.expected if expected == "nothing" else expected
    return expected != (LESS if sign > 0 else MORE)


def _counted(kind: str, name: str, deed: Deed) -> Fact:
    """How often within the shortest span in which it happened more than once, else once."""
    for days, count in zip(SPANS, deed.counts, strict=True):
        if count > 1:
            return Fact(kind, name, None, count, days, deed.occurred_at)
    return Fact(kind, name, None, 1, SPANS[-1], deed.occurred_at)


def _quiet(topic: Topic, known: LeadFacts) -> tuple[Fact, ...]:
    """How long a lead has not done anything of a topic; of one that does nothing at all, only that is told."""
    overall = known.latest(known.own)
    if overall is None:
        return (Fact("never", "activity"),)
    if known.days_since(overall) >= QUIET_DAYS:
        return (Fact("quiet", "activity", at=overall),)
    latest = known.latest(topic.types)
    if latest is None:
        return (Fact("never", topic.name),)
    return (Fact("quiet", topic.name, at=latest),) if known.days_since(latest) >= QUIET_DAYS else ()


def _active(topic: Topic, known: LeadFacts) -> tuple[Fact, ...]:
    deeds = [known.deeds[name] for name in topic.types if name in known.deeds]
    counts = tuple(map(sum, zip(*(deed.counts for deed in deeds), strict=True)))
    if not counts or not counts[-1]:
        return ()
    newest = max(deeds, key=lambda deed: deed.occurred_at)
    return (_counted("active", "activity", Deed(counts, newest.occurred_at, newest.known_at)),)


def _contact(topic: Topic, parts: Sequence[Part], known: LeadFacts, named: Collection[str]) -> tuple[Fact, ...]:
    """What of our own work speaks for a lead: that it answered, else that somebody called or made an offer."""
    asked, answered = known.latest(topic.types), known.latest(known.answers)
    if asked is not None and answered is not None and 0 <= answered - asked <= SPANS[-1] * US_PER_DAY:
        return (Fact("answered", ANSWER, at=answered),)
    return _did(topic, parts, known, named)


def _pressure(topic: Topic, parts: Sequence[Part], known: LeadFacts) -> tuple[Fact, ...]:
    """What of our own work speaks against a lead: that it left us without an answer, or that nobody is in touch."""
    ignored = next((part.value for part in parts if part.kind == "IgnoredInRow"), None)
    latest, met = known.latest(topic.types), known.latest(MUTUAL)
    if isinstance(ignored, float) and ignored >= FEWEST_IGNORED and latest is not None:
        return (Fact("ignored", topic.name, count=int(ignored), at=latest),)
    if met is not None and known.days_since(met) < QUIET_DAYS:
        return ()
    if latest is None:
        return (Fact("never", topic.name),)
    return (Fact("quiet", topic.name, at=latest),) if known.days_since(latest) >= QUIET_DAYS else ()


def _fit(parts: Sequence[Part], speaks_for: bool) -> tuple[Fact, ...]:
    """The columns that say most to this side; that nothing is known of one speaks for nobody."""
    saying = [part for part in parts if part.adds * (1 if speaks_for else -1) > SPEAKS and part.value is not None]
    saying.sort(key=lambda part: -abs(part.adds))
    return tuple(Fact("fits" if speaks_for else "unfit", part.name, part.value) for part in saying[:COLUMNS])


def _age(parts: Sequence[Part], speaks_for: bool, known: LeadFacts) -> tuple[Fact, ...]:
    """New leads may be told to be new for their good, others to be old for their bad."""
    days = parts[0].value
    if not isinstance(days, float) or (days > NEW_DAYS if speaks_for else days < OLD_DAYS):
        return ()
    return (Fact("new" if speaks_for else "old", "age", at=known.as_of - int(days * US_PER_DAY)),)


def _origin(parts: Sequence[Part], speaks_for: bool) -> tuple[Fact, ...]:
    """How it came to us, by what says most to this side; who came to us by itself is not blamed for that."""
    part = max(parts, key=lambda part: part.adds * (1 if speaks_for else -1))
    if part.value is None or (not speaks_for and part.value in BY_ITSELF):
        return ()
    return (Fact("came", part.name, part.value),)
