"""Features in plain words, English and German: what people read in reasons, reports and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from features.definitions import (
    ActiveDays,
    Age,
    Cadence,
    Count,
    Decayed,
    Definition,
    DistinctTypes,
    FirstTouch,
    IgnoredInRow,
    LastTouch,
    Max,
    Mean,
    Profile,
    ProfileNumber,
    Recency,
    Sessions,
    Sum,
    Trend,
)

Language = Literal["en", "de"]
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


def in_words(each: Definition, language: Language = "en", words: Words | None = None) -> str:
    """What a feature measures, e.g. "page views in the last 7 days".

    >>> in_words(Count("page_view", 7)), in_words(Count("any"), "de")
    ('page view in the last 7 days', 'Aktivitäten insgesamt')
    """
    return (_english if language == "en" else _german)(each, {**COMMON, **(words or {})})


def with_value(
    each: Definition, value: float | str | None, language: Language = "en", words: Words | None = None
) -> str:
    """What a feature measures and what it is for one lead, e.g. "page views in the last 7 days: 4".

    >>> with_value(Recency("any"), 2.25), with_value(Profile("country"), None, "de")
    ('days since the latest activities: 2.2', 'Profil: country: unbekannt')
    """
    return f"{in_words(each, language, words)}: {_value(value, language)}"


def _value(value: float | str | None, language: Language) -> str:
    if value is None or value != value:
        return "unknown" if language == "en" else "unbekannt"
    if isinstance(value, str):
        return value
    text = f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.1f}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def _english(each: Definition, words: Words) -> str:  # one line per kind
    def named(events: str) -> str:
        return words.get(events, {}).get("en") or events.replace("_", " ")

    def window(days: int | None) -> str:
        return "ever" if days is None else "in the last day" if days == 1 else f"in the last {days} days"

    match each:
        case Count():
            return f"{named(each.events)} {window(each.days)}"
        case Sum():
            return f"total value of {named(each.events)} {window(each.days)}"
        case Mean():
            return f"mean value of {named(each.events)} {window(each.days)}"
        case Max():
            return f"highest value of {named(each.events)} {window(each.days)}"
        case Recency():
            return f"days since the latest {named(each.events)}"
        case Age():
            return "days since we know the lead"
        case ActiveDays():
            return f"days with {named(each.events)} {window(each.days)}"
        case Sessions():
            return f"visits with {named(each.events)} {window(each.days)}"
        case Decayed():
            return f"{named(each.events)}, the recent ones counting most (half-life {each.half_life} days)"
        case Trend():
            return f"share of {named(each.events)} of {each.long} days that fell in the last {each.short}"
        case Cadence():
            return f"mean days between {named(each.events)}"
        case FirstTouch():
            return f"first {TOUCH[each.of]['en']}"
        case LastTouch():
            return f"latest {TOUCH[each.of]['en']}"
        case DistinctTypes():
            return f"kinds of activity {window(each.days)}"
        case IgnoredInRow():
            return f"{named(each.contacts)} since the last {named(each.answers)}"
        case Profile() | ProfileNumber():
            return f"profile: {each.column.replace('_', ' ')}"
    return each.name


def _german(each: Definition, words: Words) -> str:  # one line per kind
    def named(events: str) -> str:
        return words.get(events, {}).get("de") or events.replace("_", " ")

    def window(days: int | None) -> str:
        return "insgesamt" if days is None else "am letzten Tag" if days == 1 else f"in den letzten {days} Tagen"

    match each:
        case Count():
            return f"{named(each.events)} {window(each.days)}"
        case Sum():
            return f"Gesamtwert: {named(each.events)} {window(each.days)}"
        case Mean():
            return f"Mittlerer Wert: {named(each.events)} {window(each.days)}"
        case Max():
            return f"Höchster Wert: {named(each.events)} {window(each.days)}"
        case Recency():
            return f"Tage seit zuletzt: {named(each.events)}"
        case Age():
            return "Tage, seit wir den Lead kennen"
        case ActiveDays():
            return f"Tage mit: {named(each.events)} {window(each.days)}"
        case Sessions():
            return f"Besuche mit: {named(each.events)} {window(each.days)}"
        case Decayed():
            return f"{named(each.events)}, jüngste zählen am meisten (Halbwertszeit {each.half_life} Tage)"
        case Trend():
            return f"{named(each.events)}: Anteil der letzten {each.short} an {each.long} Tagen"
        case Cadence():
            return f"Mittlere Tage zwischen: {named(each.events)}"
        case FirstTouch():
            return f"Erste(r) {TOUCH[each.of]['de']}"
        case LastTouch():
            return f"Letzte(r) {TOUCH[each.of]['de']}"
        case DistinctTypes():
            return f"Arten von Aktivität {window(each.days)}"
        case IgnoredInRow():
            return f"{named(each.contacts)} seit zuletzt: {named(each.answers)}"
        case Profile() | ProfileNumber():
            return f"Profil: {each.column.replace('_', ' ')}"
    return each.name
