"""Numbers, times and chances as people write them in English and German."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from data.contract import US_PER_DAY
from features.words import Language
from serving.messages.times import EPOCH

SWAPPED = str.maketrans(",.", ".,")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
AGO = {
    "en": ("today", "yesterday", "{days} days ago"),
    "de": ("heute", "gestern", "vor {days} Tagen"),
}
CHANCE = {
    "en": ("{count} of {of}", "fewer than {count} of {of}", "more than {count} of {of}"),
    "de": ("{count} von {of}", "weniger als {count} von {of}", "mehr als {count} von {of}"),
}
FIRST, LAST = (end.replace(tzinfo=UTC) - EPOCH for end in (datetime.min, datetime.max))


def number(value: float, digits: int, language: Language) -> str:
    """A number with thousands apart.

    >>> number(1234.5, 1, "en"), number(1234.5, 1, "de"), number(-0.01, 1, "en")
    ('1,234.5', '1.234,5', '0.0')
    """
    text = f"{round(value, digits) + 0.0:,.{digits}f}"
    return text if language == "en" else text.translate(SWAPPED)


def percent(share: float, language: Language, digits: int = 0) -> str:
    """A share in percent.

    >>> percent(0.231, "en"), percent(0.231, "de", 1)
    ('23%', '23,1\\xa0%')
    """
    text = number(100 * share, digits, language)
    return f"{text}%" if language == "en" else f"{text}\N{NO-BREAK SPACE}%"


def chance(probability: float, language: Language) -> str:
    """A probability as how many of a hundred, or of a thousand where it is small; never none and never all.

    >>> chance(0.231, "en"), chance(0.004, "de"), chance(0.0001, "en"), chance(0.999, "en")
    ('23 of 100', '4 von 1.000', 'fewer than 1 of 1,000', 'more than 99 of 100')
    """
    plain, fewer, more = CHANCE[language]
    if probability > 0.995:
        return more.format(count=99, of=100)
    of = 100 if probability >= 0.0095 else 1000
    count = round(probability * of)
    if count == 0:
        return fewer.format(count=1, of=number(of, 0, language))
    return plain.format(count=count, of=number(of, 0, language))


def span(low: float, high: float, language: Language) -> str:
    """An interval of probabilities, both ends in the same words.

    >>> span(0.17, 0.302, "en"), span(0.0046, 0.013, "de"), span(0.0, 0.00001, "en")
    ('17 to 31 of 100', '4 bis 13 von 1.000', '0 to 1 of 1,000')
    """
    of = 100 if low >= 0.0095 else 1000
    first, last = math.floor(low * of), math.ceil(high * of)
    to, out_of = ("to", "of") if language == "en" else ("bis", "von")
    return f"{number(first, 0, language)} {to} {number(last, 0, language)} {out_of} {number(of, 0, language)}"


def day(moment: int, language: Language) -> str:
    """The UTC day of µs.

    >>> day(1_709_596_800_000_000, "en"), day(1_709_596_800_000_000, "de")
    ('5 Mar 2024', '05.03.2024')
    """
    at = _at(moment)
    if language == "de":
        return f"{at.day:02}.{at.month:02}.{at.year}"
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def minute(moment: int, language: Language) -> str:
    """The UTC day and time of µs.

    >>> minute(1_709_596_800_000_000, "de")
    '05.03.2024, 00:00'
    """
    return f"{day(moment, language)}, {_at(moment):%H:%M}"


def iso(moment: int) -> str:
    """µs UTC for machines, e.g. the attribute datetime.

    >>> iso(1_709_596_800_000_000)
    '2024-03-05T00:00:00Z'
    """
    return f"{_at(moment).replace(tzinfo=None, microsecond=0).isoformat()}Z"


def ago(moment: int, now: int, language: Language) -> str:
    """How many days a moment is past; one that lies ahead is today.

    >>> ago(0, 3 * US_PER_DAY, "en"), ago(0, 5, "de")
    ('3 days ago', 'heute')
    """
    days = max(0, (now - moment) // US_PER_DAY)
    return AGO[language][min(days, 2)].format(days=number(days, 0, language))


def _at(moment: int) -> datetime:
    return EPOCH + min(max(timedelta(microseconds=moment), FIRST), LAST)
