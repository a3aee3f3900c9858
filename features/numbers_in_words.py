"""How people read a probability, a number or a plural, in each language: the rules of CLDR, by Babel.

Formats are made once per language, and texts that come up again and again are remembered: Babel takes 10 to 40 µs for
one, and a list or a file of scores holds them by the million.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from decimal import localcontext
from functools import cache, lru_cache
from typing import Literal

from babel import Locale
from babel.numbers import NumberPattern, parse_pattern

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = ("en", "de")
Forms = Mapping[str, str]
"""A phrase by the plural category of its {count}; "other" is always there."""

TAGS: Mapping[Language, str] = {"en": "en_GB", "de": "de_DE"}
"""English as outside of the United States: its dates cannot be taken for others."""
REMEMBERED = 16_384
LONGEST = 400
"""Digits that the largest float has, and some."""
SMALL = 0.0095
"""A probability below it is told of a thousand, the others of a hundred."""
CHANCE = {
    "en": ("{count} of {of}", "fewer than {count} of {of}", "more than {count} of {of}"),
    "de": ("{count} von {of}", "weniger als {count} von {of}", "mehr als {count} von {of}"),
}
SPAN: Mapping[Language, Mapping[tuple[bool, bool], str]] = {
    "en": {
        (False, False): "{low} to {high} of {of}",
        (True, False): "at most {high} of {of}",
        (False, True): "at least {low} of {of}",
        (True, True): "fewer than 1 to more than {high} of {of}",
    },
    "de": {
        (False, False): "{low} bis {high} von {of}",
        (True, False): "höchstens {high} von {of}",
        (False, True): "mindestens {low} von {of}",
        (True, True): "weniger als 1 bis mehr als {high} von {of}",
    },
}
"""By whether the interval reaches down to none, and up to all."""
DAYS: Mapping[Language, Forms] = {
    "en": {"one": "{count} day", "other": "{count} days"},
    "de": {"one": "{count} Tag", "other": "{count} Tage"},
}
WITHIN: Mapping[Language, Forms] = {
    "en": {"one": "within {count} day", "other": "within {count} days"},
    "de": {"one": "innerhalb von {count} Tag", "other": "innerhalb von {count} Tagen"},
}


def number(value: float, digits: int = 0, language: Language = "en") -> str:
    """A finite number with thousands apart and so many decimals.

    >>> number(1234.5, 1), number(1234.5, 1, "de"), number(-0.01, 1)
    ('1,234.5', '1.234,5', '0.0')
    """
    return _number(round(value, digits) + 0.0, digits, language)


def amount(value: float, language: Language = "en") -> str:
    """A finite number with so many decimals as people read: one where it is below 100 and not whole.

    >>> amount(1234.0, "de"), amount(2.25), amount(312.5)
    ('1.234', '2.2', '312')
    """
    return number(value, 0 if value == round(value) or abs(value) >= 100 else 1, language)


def signed(value: float, digits: int, language: Language = "en") -> str:
    """A difference, with its sign.

    >>> signed(0.0123, 3), signed(-0.5, 1, "de")
    ('+0.012', '-0,5')
    """
    return _applied(_signed_pattern(digits), value, language)


def percent(share: float, digits: int = 0, language: Language = "en") -> str:
    """A share in percent with so many decimals.

    >>> percent(0.231), percent(0.231, 1, "de")
    ('23%', '23,1\\xa0%')
    """
    return _percent(round(share, digits + 2) + 0.0, digits, digits, language)


def short_percent(share: float, language: Language = "en") -> str:
    """A share in percent as somebody has set it: with no more decimals than it takes, three at most.

    >>> short_percent(0.5), short_percent(0.995, "de")
    ('50%', '99,5\\xa0%')
    """
    return _percent(round(share, 5) + 0.0, 0, 3, language)


def chance(probability: float, language: Language = "en") -> str:
    """A probability as how many of a hundred, or of a thousand where it is small; never none and never all.

    >>> chance(0.231), chance(0.004, "de"), chance(0.0001), chance(0.999)
    ('23 of 100', '4 von 1.000', 'fewer than 1 of 1,000', 'more than 99 of 100')
    """
    of = base_of(probability)
    return _chance(round(probability * of), of, language)


def span(low: float, high: float, language: Language = "en") -> str:
    """An interval of probabilities, rounded outward, both ends of as many; none and all are never promised.

    >>> span(0.17, 0.302), span(0.0046, 0.013, "de"), span(0.0, 0.00001), span(0.97, 0.999)
    ('17 to 31 of 100', '4 bis 13 von 1.000', 'at most 1 of 1,000', 'at least 97 of 100')
    """
    of = base_of(low)
    return _span(math.floor(low * of), math.ceil(high * of), of, language)


def within(days: int, language: Language = "en") -> str:
    """A horizon.

    >>> within(90), within(1), within(30, "de")
    ('within 90 days', 'within 1 day', 'innerhalb von 30 Tagen')
    """
    return counted(days, WITHIN[language], language)


def in_days(days: int, language: Language = "en") -> str:
    """A length of time.

    >>> in_days(7), in_days(1, "de")
    ('7 days', '1 Tag')
    """
    return counted(days, DAYS[language], language)


def counted(count: float, forms: Forms, language: Language = "en") -> str:
    """A phrase in the form that its {count} asks for.

    >>> counted(1, DAYS["de"], "de"), counted(1200, {"one": "{count} lead", "other": "{count} leads"})
    ('1 Tag', '1,200 leads')
    """
    return forms.get(category(count, language), forms["other"]).format(count=amount(count, language))


def category(count: float, language: Language = "en") -> str:
    """The plural category of a count: "one", "other" and what else a language tells apart.

    >>> category(1), category(0), category(2, "de")
    ('one', 'other', 'other')
    """
    return str(locale_of(language).plural_form(count))


def base_of(probability: float) -> int:
    """Of how many a probability is told."""
    return 1000 if probability < SMALL else 100


@cache
def _chance(count: int, of: int, language: Language) -> str:
    plain, fewer, more = CHANCE[language]
    sentence = fewer if count == 0 else more if count >= of else plain
    return sentence.format(count=min(max(count, 1), of - 1), of=number(of, 0, language))


@lru_cache(REMEMBERED)
def _span(first: int, last: int, of: int, language: Language) -> str:
    low, high = (number(min(max(end, 1), of - 1), 0, language) for end in (first, last))
    return SPAN[language][first == 0, last >= of].format(low=low, high=high, of=number(of, 0, language))


@lru_cache(REMEMBERED)
def _number(value: float, digits: int, language: Language) -> str:
    return _applied(_with_decimals(locale_of(language).decimal_formats[None], digits, digits), value, language)


@lru_cache(REMEMBERED)
def _percent(share: float, fewest: int, most: int, language: Language) -> str:
    return _applied(_with_decimals(locale_of(language).percent_formats[None], fewest, most), share, language)


@cache
def locale_of(language: Language) -> Locale:
    """The rules of CLDR for a language."""
    return Locale.parse(TAGS[language])


@cache
def _signed_pattern(digits: int) -> NumberPattern:
    return parse_pattern("+#,##0.{0};-#,##0.{0}".format("0" * digits))


def _with_decimals(pattern: NumberPattern, fewest: int, most: int) -> NumberPattern:
    fixed = copy(pattern)
    fixed.frac_prec = (fewest, most)
    return fixed


def _applied(pattern: NumberPattern, value: float, language: Language) -> str:
    with localcontext(prec=LONGEST):
        return str(pattern.apply(value, locale_of(language)))
