"""How likely a lead converts, beside what became of leads that scored alike: which to believe, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from features.numbers_in_words import Forms, Language, base_of, category, chance, span, within

Departure = Literal["agrees", "too_high", "too_low"]
"""Whether what became of leads that scored alike leaves room for a probability."""
AGREES: Mapping[Language, Forms] = {
    "en": {
        "one": "{chance} leads like this converts {within} (of those that scored alike, {span} did)",
        "other": "{chance} leads like this convert {within} (of those that scored alike, {span} did)",
    },
    "de": {
        "one": "{chance} Leads wie diesem konvertiert {within} (von ähnlich bewerteten {span})",
        "other": "{chance} Leads wie diesem konvertieren {within} (von ähnlich bewerteten {span})",
    },
}
DIFFERS: Mapping[Language, Mapping[Departure, str]] = {
    "en": {
        "too_high": "expect {span} to convert {within}: so many did of leads that scored alike; the model's {chance} "
        "is too high",
        "too_low": "expect {span} to convert {within}: so many did of leads that scored alike; the model's {chance} "
        "is too low",
    },
    "de": {
        "too_high": "zu erwarten: {span} konvertieren {within}, wie ähnlich bewertete Leads es taten; die {chance} des "
        "Modells sind zu hoch",
        "too_low": "zu erwarten: {span} konvertieren {within}, wie ähnlich bewertete Leads es taten; die {chance} des "
        "Modells sind zu niedrig",
    },
}


def departure(probability: float, low: float, high: float) -> Departure:
    """On which side of the interval a probability lies, if it lies outside, both rounded as they are told.

    >>> departure(0.83, 0.47, 0.64), departure(0.02, 0.03, 0.09), departure(0.23, 0.19, 0.27)
    ('too_high', 'too_low', 'agrees')
    """
    of = base_of(low)
    expected, ends = round(probability * of), (math.floor(low * of), math.ceil(high * of))
    return "too_high" if expected > ends[1] else "too_low" if expected < ends[0] else "agrees"


def conversion(probability: float, low: float, high: float, days: int, language: Language = "en") -> str:
    """How likely a lead converts within so many days, with the interval, in a sentence.

    Where the interval leaves the probability out, it comes first, and is what to go by: it is what happened.

    >>> conversion(0.23, 0.19, 0.27, 90)
    '23 of 100 leads like this convert within 90 days (of those that scored alike, 19 to 27 of 100 did)'
    >>> conversion(0.001, 0.0004, 0.002, 1, "de")
    '1 von 1.000 Leads wie diesem konvertiert innerhalb von 1 Tag (von ähnlich bewerteten höchstens 2 von 1.000)'
    >>> conversion(0.83, 0.471, 0.632, 30, "de")[:60]
    'zu erwarten: 47 bis 64 von 100 konvertieren innerhalb von 30'
    """
    side = departure(probability, low, high)
    words = {"chance": chance(probability, language), "span": span(low, high, language)}
    words["within"] = within(days, language)
    if side != "agrees":
        return DIFFERS[language][side].format(**words)
    return AGREES[language][category(max(1, round(probability * base_of(probability))), language)].format(**words)
