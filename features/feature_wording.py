"""Features in plain words, English and German: what people read in reasons, reports and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from data.vocabulary import LESS, MORE
from features.kinds import Definition
from features.kinds.definition import EVENT_FIELDS
from features.numbers_in_words import Forms, Language, amount, counted, in_days

Words = Mapping[str, Mapping[str, str]]
"""Plain words of event types and groups: {"page_view": {"en": "page views", "de": "Seitenaufrufe"}}."""

COMMON: Words = {
    "any": {"en": "activities", "de": "Aktivitäten", "expect": MORE},
    "activity": {"en": "activity in general", "de": "Aktivität im Ganzen", "expect": MORE},
    "any_campaign": {"en": "activities in campaigns", "de": "Aktivitäten in Kampagnen", "expect": MORE},
    "any_asset": {"en": "activities with an asset", "de": "Aktivitäten mit einem Inhalt", "expect": MORE},
    "web": {"en": "website visits", "de": "Website-Besuche", "expect": MORE},
    "email": {"en": "e-mail reactions", "de": "E-Mail-Reaktionen", "expect": MORE},
    "content": {"en": "downloads and webinars", "de": "Downloads und Webinare", "expect": MORE},
    "contact": {"en": "contacts by us", "de": "Kontakte durch uns"},
    "answer": {"en": "answers", "de": "Antworten", "expect": MORE},
    "intent": {"en": "signs of buying intent", "de": "Zeichen von Kaufabsicht", "expect": MORE},
    "sales": {"en": "steps of sales", "de": "Schritte des Vertriebs"},
    "fit": {"en": "profile", "de": "Profil"},
    "age": {"en": "how long we know the lead", "de": "wie lange wir den Lead kennen"},
    "origin": {"en": "how the lead came to us", "de": "wie der Lead zu uns kam"},
    "worth": {"en": "values of events", "de": "Werte von Ereignissen", "expect": MORE},
    "social_engagement": {"expect": MORE},
    "newsletter_signup": {"expect": MORE},
    "form_submit": {"expect": MORE},
    "chat_message": {"expect": MORE},
    "purchase": {"expect": MORE},
    "email_sent": {"expect": LESS},
    "unsubscribe": {"expect": LESS},
    "sales_rejected": {"expect": LESS},
    "industry": {"en": "industry", "de": "Branche"},
    "company_size": {"en": "company size", "de": "Unternehmensgröße"},
    "employees": {"en": "employees", "de": "Beschäftigte"},
    "seniority": {"en": "seniority", "de": "Position"},
    "country": {"en": "country", "de": "Land"},
    "owner": {"en": "owner", "de": "Zuständig"},
    "lead_source": {"en": "source", "de": "Herkunft"},
    "has_phone": {"en": "phone number known", "de": "Telefonnummer bekannt"},
    "yes": {"en": "yes", "de": "ja"},
    "no": {"en": "no", "de": "nein"},
}
"""Words of what is shipped, for groups and event types also what is expected of more of them."""
TOUCH = {
    "event_type": {"en": "activity", "de": "Aktivität"},
    "channel": {"en": "channel", "de": "Kanal"},
    "campaign": {"en": "campaign", "de": "Kampagne"},
    "asset": {"en": "asset", "de": "Inhalt"},
}

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
    return sentence.format_map(_parts(definition, language, words))


def with_value(
    definition: Definition, value: float | str | None, language: Language = "en", words: Words | None = None
) -> str:
    """What a feature measures and what it is for one lead, e.g. "page views in the last 7 days: 4".

    >>> from features.kinds import Profile, Recency
    >>> with_value(Recency("any"), 2.25), with_value(Profile("country"), None, "de")
    ('days since the latest activities: 2.2', 'Profil: Land: unbekannt')
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


def named(name: str, language: Language = "en", words: Words | None = None) -> str:
    """An event type, a group, a profile column or one of its values as people name it.

    >>> named("web", "de"), named("page_view"), named("seniority", "de"), named("x", "de", {"x": {"en": "y"}})
    ('Website-Besuche', 'page view', 'Position', 'x')
    """
    said = (words or {}).get(name, {}).get(language) or COMMON.get(name, {}).get(language)
    return said or name.replace("_", " ")


def _parts(definition: Definition, language: Language, words: Words | None) -> dict[str, str]:
    """The fields of a definition in words."""

    def part(field: str, value: Any) -> str:
        if field in (*EVENT_FIELDS, "column"):
            return named(value, language, words)
        if field == "days":
            return _window(value, language)
        if field == "half_life":
            return in_days(value, language)
        return TOUCH[value][language] if field == "of" else str(value).replace("_", " ")

    return {field.name: part(field.name, getattr(definition, field.name)) for field in fields(definition)}


def _window(days: int | None, language: Language) -> str:
    return EVER[language] if days is None else counted(days, WINDOW[language], language)
