"""Which `time_format` a column of texts may be written in, to say so where it is read as another one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import product

from data.times import UTC_WORDS

DATES = (
    "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d",
    "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y",
    "%Y%m%d", "%Y-%m-%d", "%a, %d %b %Y", "%a %b %d %Y",
)  # fmt: skip
CLOCKS = (
    " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", ", %H:%M", ", %H:%M:%S",
    ", %I:%M %p", "T%H%M%S",
)  # fmt: skip
ZONES = ("", *(blank + zone for zone in (*UTC_WORDS, "%z") for blank in ("", " ")))
FORMATS = (*DATES, *("".join(parts) for parts in product(DATES, CLOCKS, ZONES)))


def likely_formats(texts: Iterable[str]) -> list[str]:
    """The formats that all of them have; two where every day could be a month, none where no format fits all.

    >>> likely_formats(["03.01.2026 10:00"])
    ['%d.%m.%Y %H:%M']
    >>> likely_formats(["1/3/2026 2:03 PM"])
    ['%d/%m/%Y %I:%M %p', '%m/%d/%Y %I:%M %p']
    >>> likely_formats(["1/3/2026 2:03 PM", "1/31/2026 2:03 PM"])
    ['%m/%d/%Y %I:%M %p']
    >>> likely_formats(["Tue, 31 Dec 2024 10:00:00 +0100"])
    ['%a, %d %b %Y %H:%M:%S %z']
    """
    formats = list(FORMATS)
    for text in texts:
        formats = [form for form in formats if _may_read(text, form) and _reads(text, form)]
    return formats if len(formats) < len(FORMATS) else []


def _may_read(text: str, form: str) -> bool:
    """Whether the signs that stand for themselves are there: Python compiles a format anew each time, which is dear."""
    signs = "/," if form.endswith("%z") else ":/,."  # an offset has colons of its own
    return all(text.count(sign) == form.count(sign) for sign in signs)


def _reads(text: str, form: str) -> bool:
    """Whether the engine reads it so: of offsets, unlike Python, it takes numbers alone."""
    if form.endswith("%z") and text.endswith("Z"):
        return False
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
