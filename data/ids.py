"""Which id a text is: the one rule of files, requests, addresses, forms and commands, for ids and all other names.

Names are ids of leads, accounts and events, types, channels, sources, and what a category holds.
"""

from __future__ import annotations

import re

from data.contract import BLANKS, NAME_LIMIT

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")


class NoId(ValueError):
    """Why a text is no id, as the end of a sentence: `holds control characters`."""


def id_from_text(text: str) -> str | None:
    """The id without blanks around it, None where nothing is left. Raises NoId.

    >>> id_from_text(" BL "), id_from_text("  ")
    ('BL', None)
    """
    name = text.strip(BLANKS)
    if len(name) > NAME_LIMIT:
        raise NoId(f"has {len(name)} characters, {NAME_LIMIT} are allowed")
    if CONTROL.search(name):
        raise NoId("holds control characters")
    if not name.isascii() and SURROGATE.search(name):
        raise NoId("holds half a character (a lone surrogate)")
    return name or None


def required_id(text: str) -> str:
    """The same for an id that must be there. Raises NoId."""
    name = id_from_text(text)
    if name is None:
        raise NoId("is missing")
    return name


def mentions(sentence: str, lead_id: str) -> bool:
    """Whether a sentence, or a value that it shows, has an id in it as a whole word.

    >>> mentions("value 'L 1' is no number", "1"), mentions("value '21' is no number", "1")
    (True, False)
    """
    return re.search(rf"(?<!\w){re.escape(lead_id)}(?!\w)", sentence) is not None
