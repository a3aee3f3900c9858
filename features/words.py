"""Features in plain words, English and German: what people read in reasons, reports and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from features.kinds import Definition
from features.kinds.definition import EVENT_FIELDS
from features.wording import Forms, Language, amount, counted, in_days

Words = Mapping[str, Mapping[str, str]]
"""Plain words of event types and groups: {"page_view": {"en": "page views", "de": "Seitenaufrufe"}}."""

COMMON: Words = {
    "any": {"en": "activities", "de": "Aktivitäten"},
    "web": {"en": "website visits", "de": "Website-Besuche"},
    "email": {"en": "e-mail reactions", "de": "E-Mail-Reaktionen"},
    "content": {"en": "downloads and webinars", "de": "Downloads und Webinare"},
    "contact": {"en": "contacts by us", "de": "Kontakte durch uns"},
    "answer": {"en": "answers", "de": "Antworten"},
    "intent": {"en": "signs of buying intent", "de": "Zeichen von Kaufabsicht"},
}
TOUCH = {"event_type": {"en": "activity", "de": "Aktivität"}, "channel": {"en": "channel", "de": "Kanal"}}

EVER: Mapping[Language, str] = {"en": "ever", "de": "insgesamt"}
WINDOW: Mapping[Language, Forms] = {
    "en": {"one": "in the last day", "other": "in the last {count} days"},
    "de": {"one": "am letzten Tag", "other": "in den letzten {count} Tagen"},
}
UNKNOWN: Mapping[Language, str] = {"en": "unknown", "de": "unbekannt"}


def in_words(definition: Definition, language: Language = "en", words: Words | None = None) -> str:
    """What a feature measures, e.g. "page views in the last 7 days".

    >>> from features.kinds import Count
    >>> in_words(Count("page_view", 7)), in_words(Count("any"), "de")
    ('page view in the last 7 days', 'Aktivitäten insgesamt')
    """
    sentence: str = getattr(definition.sentence, language)
    return sentence.format_map(_parts(definition, language, {**COMMON, **(words or {})}))


def with_value(
    definition: Definition, value: float | str | None, language: Language = "en", words: Words | None = None
) -> str:
    """What a feature measures and what it is for one lead, e.g. "page views in the last 7 days: 4".

    >>> from features.kinds import Profile, Recency
    >>> with_value(Recency("any"), 2.25), with_value(Profile("country"), None, "de")
    ('days since the latest activities: 2.2', 'Profil: country: unbekannt')
    """
    return f"{in_words(definition, language, words)}: {value_in_words(value, language)}"


def value_in_words(value: float | str | None, language: Language = "en") -> str:
    """What a feature is for one lead, in so many digits as people read.

    >>> value_in_words(1234.0, "de"), value_in_words(2.25), value_in_words(None)
    ('1.234', '2.2', 'unknown')
    """
    if value is None or value != value:
        return UNKNOWN[language]
    if isinstance(value, str):
        return value
    return amount(value, language)


def _parts(definition: Definition, language: Language, words: Words) -> dict[str, str]:
    """The fields of a definition in words."""

    def part(field: str, value: Any) -> str:
        if field in EVENT_FIELDS:
            return words.get(value, {}).get(language) or value.replace("_", " ")
        if field == "days":
            return _window(value, language)
        if field == "half_life":
            return in_days(value, language)
        return TOUCH[value][language] if field == "of" else str(value).replace("_", " ")

    return {field.name: part(field.name, getattr(definition, field.name)) for field in fields(definition)}


def _window(days: int | None, language: Language) -> str:
    return EVER[language] if days is None else counted(days, WINDOW[language], language)
