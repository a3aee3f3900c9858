"""Characters that nobody can see, as signs that can be seen: on pages and in lists that people take along."""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
"""Control characters, marks of direction, and characters without width."""
SHOWN = re.compile("⟨U\\+([0-9A-F]{4})⟩")


def visible(text: str) -> str:
    """A text whose hidden characters are signs that can be seen.

    >>> visible("a\\tb"), visible("\\u202eevil"), visible("plain ü")
    ('a␉b', '⟨U+202E⟩evil', 'plain ü')
    """
    return HIDDEN.sub(_sign, text)


def as_written(text: str) -> str:
    """What `visible` has shown, for ids, which hold no control characters.

    >>> as_written("⟨U+202E⟩evil") == "\\u202eevil"
    True
    """
    return SHOWN.sub(lambda match: chr(int(match[1], 16)), text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
