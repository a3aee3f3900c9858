"""Ids of leads that are hard to carry, and texts that are none."""

from __future__ import annotations

from data.ids import NoId, damage_of, required_id, says_who

IDS: tuple[str, ...] = (
    " BL ", "\u3000ü ß ", "a/b", "a/score", "1", "204", "=1+1", 'a"b', "a'b", ";=x", "%2F", "%", ".", "..", "../x",
    "a?b#c&d=e+f", "a\\b", "<b>", "\u2028", "x" * 200, "\ufeffZoe\u0301\u200b", "a\u200db",
)  # fmt: skip
NO_IDS: tuple[str, ...] = ("", " ", "\u3000", "x" * 201, "a\tb", "\x7f", "L\n", "\0")


def is_accepted(text: str) -> bool:
    """Whether a made-up text may be the id of a lead: it is kept as it is, not damaged, and says who nobody is."""
    try:
        return required_id(text) == text and damage_of(text) is None and not says_who(text)
    except NoId:
        return False
