"""Hides what may be personal (e-mail addresses, phone numbers) in the values that messages show."""

from __future__ import annotations

import re

E_MAIL = r"[^\s@]+@[^\s@]+"
NUMBER = "<number>"
"""What stands for what may be a phone number."""
PHONE = r"\+?\d[\d ()/-]{7,}\d"
DATE = r"^(-?\d{4,5}[-./]\d\d[-./]\d\d|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})"
SHOWN = 60
"""Characters of a value that a message shows."""


def masked(text: str) -> str:
    """A text with e-mail addresses and phone numbers replaced.

    >>> masked("call +49 170 1234567 or max@example.org")
    'call <number> or <e-mail>'
    """
    return re.sub(PHONE, NUMBER, re.sub(E_MAIL, "<e-mail>", text))


def masked_sql(column: str) -> str:
    """SQL for the same of a text column, cut short. The patterns mean the same to Python and to DuckDB."""
    shown = f"regexp_replace(left({column}, {SHOWN}), '{E_MAIL}', '<e-mail>', 'g')"
    return f"regexp_replace({shown}, '{PHONE}', '{NUMBER}', 'g')"


def masked_time_sql(column: str) -> str:
    """The same where a time should stand: a date at the beginning is no phone number."""
    date = f"regexp_extract({column}, '{DATE}')"
    return f"{date} || {masked_sql(f'substr({column}, length({date}) + 1)')}"
