"""Which id a text is: the one rule of files, requests, addresses, forms and commands, for ids and all other names.

Names are ids of leads, accounts and events, types, channels, sources, and what a category holds.
"""

from __future__ import annotations

import json
import re
import unicodedata

from data.contract import BLANKS, NAME_LIMIT

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")
MAIL = r"^[^ \t\n\v\f\r@]+@[^ \t\n\v\f\r@]+[.][^ \t\n\v\f\r@]+$"
PHONE = r"^([+][0-9][0-9 ()/.-]{6,}|[(][0-9]{2,6}[)][ ]?[0-9][0-9 /.-]{4,}|[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4})$"
"""A text that is an e-mail address, or a telephone number with the signs between its digits that people write."""
LOST = r"^[0-9]([.,][0-9]+)?[eE][+][0-9]{1,3}$"
"""What a spreadsheet or a float makes of an id of many digits: most of them are lost."""
NULL_WORDS = ("null", "NULL", "\\N", "N/A", "n/a", "#N/A", "-")
"""By which files say that nothing is known, where their mapping names no others."""
NO_ID = (
    *dict.fromkeys(word.lower() for word in NULL_WORDS),
    "none", "undefined", "nan", "nil", "<null>", "<nil>", "[object object]", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
"""What programs write where they know no id, in lower case: taken for one, it would make one lead of many people."""
HAS_LOST = "has lost digits (a spreadsheet took the id for a number); export it as text"
IS_NESTED = "is a list or a structure; name the part that is meant, or bring a row for each"
IS_NO_ID = "is what programs write where they know no id; send the id, or leave the row out"


class NoId(ValueError):
    """Why a text is no id, as the end of a sentence: `holds control characters`."""


def id_from_text(text: str) -> str | None:
    """The id without blanks around it, in Unicode's composed form (NFC); None where nothing is left. Raises NoId.

    Two texts that look alike but for that are one id: a blank or a sign without width that was copied along, an accent
    that is a sign of its own. Signs within an id stay as they are.

    >>> id_from_text(" BL "), id_from_text("  "), id_from_text("Zoe\\u0301\\u200b") == "Zo\\xe9"
    ('BL', None, True)
    """
    name = text.strip(BLANKS)
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
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


def spelled(text: str) -> str:
    """The id that a text is where it is kept already; a text that is none is itself: what is kept can be erased."""
    try:
        return id_from_text(text) or text
    except NoId:
        return text


def says_who(name: str) -> bool:
    """Whether an id is an e-mail address or a telephone number: it would tell who somebody is wherever it is kept.

    >>> says_who("max@example.org"), says_who("+49 170 1234567"), says_who("1701234567"), says_who("L@1")
    (True, True, False, False)
    """
    return bool(re.search(MAIL, name) or re.search(PHONE, name))


def damage_of(name: str) -> str | None:
    """Why a text that would be an id is none, as the end of a sentence; None where nothing is wrong with it.

    >>> damage_of("1.23E+11"), damage_of("L1")
    ('has lost digits (a spreadsheet took the id for a number); export it as text', None)
    """
    if re.search(LOST, name):
        return HAS_LOST
    if name.startswith(("{", "[")) and _is_json(name):
        return IS_NESTED
    return IS_NO_ID if name.lower() in NO_ID else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def mentions(sentence: str, lead_id: str) -> bool:
    """Whether a sentence, or a value that it shows, has an id in it as a whole word.

    >>> mentions("value 'L 1' is no number", "1"), mentions("value '21' is no number", "1")
    (True, False)
    """
    return re.search(whole_word(lead_id), sentence) is not None


def whole_word(lead_id: str) -> str:
    """A pattern for an id that is no part of a longer word."""
    return rf"(?<!\w){re.escape(lead_id)}(?!\w)"
