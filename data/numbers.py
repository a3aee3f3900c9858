"""Which number a text is, and which numbers can be an event's value: the one rule of files, requests and addresses."""

from __future__ import annotations

import math
import re

from data.contract import BLANKS, VALUE_LIMIT, VALUE_SCALE

PLAIN = r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(e[+-]?[0-9]+)?"
GROUPED = r"[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)(,[0-9]+)?"
"""A number with a decimal comma, with or without points between thousands."""
CODES = (
    "aed|ars|aud|bgn|brl|cad|chf|clp|cny|cop|czk|dkk|egp|eur|gbp|hkd|huf|idr|ils|inr|isk|jpy|krw|mxn|myr|nok|nzd|php|"
    "pln|ron|rub|sar|sek|sgd|thb|try|twd|uah|usd|vnd|zar"
)
CURRENCY = f"(?:(?:us|a|c|ca|nz|hk|s|r)?[$]|[€£¥₹₽₺₩]|{CODES}|fr[.])"
"""Signs and codes in lower case; no other word stands beside a number, since `12 mio` is no 12."""
NARROW = " \xa0\u202f"
AMOUNT = {
    False: f"(?:[0-9]{{1,3}}(?:[,'’{NARROW}][0-9]{{3}})+|[0-9]+)(?:[.][0-9]*)?|[.][0-9]+",
    True: f"(?:[0-9]{{1,3}}(?:[.'’{NARROW}][0-9]{{3}})+|[0-9]+)(?:,[0-9]*)?",
}
"""As people write amounts, with signs between thousands, by whether they have a decimal comma."""
NOT_FINITE = r"[+-]?(nan|inf|infinity)"
"""In lower case; they mean the same to Python and to DuckDB."""


class NoNumber(ValueError):
    """Why something is no number that can be kept, as the end of a sentence: `is not finite`."""


def number_from_text(text: str, decimal_comma: bool = False) -> float:
    """The number that a text writes, blanks around it or none. Raises NoNumber, also for NaN and infinity.

    >>> number_from_text("1.5e3"), number_from_text("1.234,5", decimal_comma=True)
    (1500.0, 1234.5)
    """
    written = text.strip(BLANKS)
    if re.fullmatch(NOT_FINITE, written, re.IGNORECASE | re.ASCII):
        raise NoNumber("is not finite")
    if not re.fullmatch(GROUPED if decimal_comma else PLAIN, written, re.IGNORECASE | re.ASCII):
        raise NoNumber("is no number")
    number = float(written.replace(".", "").replace(",", ".") if decimal_comma else written)
    if not math.isfinite(number):
        raise NoNumber("is no number")
    return number


def amount_pattern(decimal_comma: bool) -> str:
    """A regular expression for an amount in lower case: at most one sign, a currency before or behind it or none."""
    number, blank = AMOUNT[decimal_comma], f"[{NARROW}]?"
    return f"(?:[+-]?(?:{CURRENCY}{blank})?|{CURRENCY}{blank}[+-])(?:{number})(?:{blank}{CURRENCY})?"


def amount_from_text(text: str, decimal_comma: bool = False) -> float:
    """A number as exports write it: `number_from_text`, else an amount of money as people write it. Raises NoNumber.

    >>> amount_from_text("$1,200.50"), amount_from_text("€ 5"), amount_from_text("-1.200,5 EUR", decimal_comma=True)
    (1200.5, 5.0, -1200.5)
    """
    try:
        return number_from_text(text, decimal_comma)
    except NoNumber:
        written = text.strip(BLANKS).lower()
        if not re.fullmatch(amount_pattern(decimal_comma), written, re.ASCII):
            raise
    digits = re.sub("[^0-9+.-]" if not decimal_comma else "[^0-9+,-]", "", written.replace("fr.", ""))
    return float(digits.replace(",", "."))


def within_limit(number: float) -> float:
    """A finite number within ± VALUE_LIMIT. Raises NoNumber."""
    if isinstance(number, float) and not math.isfinite(number):
        raise NoNumber("is not finite")
    if abs(number) > VALUE_LIMIT:
        raise NoNumber(f"is beyond ±{VALUE_LIMIT:.0e}")
    return float(number)


def rounded_value(value: float) -> float:
    """An event's value to a ten-thousandth, halves to the even one; the sign of zero stays.

    >>> rounded_value(1.23456), rounded_value(0.00005), rounded_value(-1e-9)
    (1.2346, 0.0, -0.0)
    """
    scaled = value * VALUE_SCALE
    return math.copysign(round(scaled), scaled) / VALUE_SCALE
