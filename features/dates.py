"""How people read a day, a time, or how long ago something was, in each language: the rules of CLDR, by Babel."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from babel.dates import format_timedelta

from data.contract import US_PER_DAY
from features.numbers_in_words import REMEMBERED, Language, locale_of

US_PER_MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (moment.replace(tzinfo=UTC) - EPOCH for moment in (datetime.min, datetime.max))
LATELY = {"en": ("today", "yesterday"), "de": ("heute", "gestern")}


def day(moment: int, language: Language = "en") -> str:
    """The UTC day of µs.

    >>> day(1_709_596_800_000_000), day(1_709_596_800_000_000, "de")
    ('5 Mar 2024', '05.03.2024')
    """
    return _day(moment // US_PER_DAY, language)


def date(text: str, language: Language = "en") -> str:
    """A date that is written as year, month and day.

    >>> date("2024-03-05"), date("2024-03-05", "de")
    ('5 Mar 2024', '05.03.2024')
    """
    return _day((datetime.fromisoformat(text).replace(tzinfo=EPOCH.tzinfo) - EPOCH).days, language)


def minute(moment: int, language: Language = "en") -> str:
    """The UTC day and time of µs.

    >>> minute(1_709_596_800_000_000), minute(1_709_596_800_000_000, "de")
    ('5 Mar 2024, 00:00', '05.03.2024, 00:00')
    """
    locale = locale_of(language)
    return str(locale.datetime_formats["medium"]).format(
        _time(moment // US_PER_MINUTE, language), day(moment, language)
    )


def ago(moment: int, now: int, language: Language = "en") -> str:
    """How many days a moment is past; one that lies ahead is today.

    >>> ago(0, 3 * US_PER_DAY), ago(0, 5, "de")
    ('3 days ago', 'heute')
    """
    return _ago(max(0, (now - moment) // US_PER_DAY), language)


def since(moment: int, now: int, language: Language = "en") -> str:
    """How long ago a moment of these days was, as people say it.

    >>> since(0, 2 * 3600 * 1_000_000), since(0, 3 * US_PER_DAY, "de"), since(0, 5)
    ('2 hours ago', 'vor 3 Tagen', '1 minute ago')
    """
    minutes = max(1, (now - moment) // US_PER_MINUTE)
    past = timedelta(minutes=-min(minutes, 10_000_000))
    return format_timedelta(past, "minute", threshold=1.2, add_direction=True, locale=locale_of(language))


@lru_cache(REMEMBERED)
def _day(days: int, language: Language) -> str:
    locale = locale_of(language)
    return str(locale.date_formats["medium"].apply(_at(timedelta(days)), locale))


@lru_cache(REMEMBERED)
def _time(minutes: int, language: Language) -> str:
    locale = locale_of(language)
    return str(locale.time_formats["short"].apply(_at(timedelta(minutes=minutes)), locale))


@lru_cache(REMEMBERED)
def _ago(days: int, language: Language) -> str:
    if days < len(LATELY[language]):
        return LATELY[language][days]
    past = timedelta(days=-days)
    return format_timedelta(past, "day", threshold=math.inf, add_direction=True, locale=locale_of(language))


def _at(since: timedelta) -> datetime:
    return EPOCH + min(max(since, FIRST), LAST)
