"""Templates: every value is escaped, and what would be invisible or turn a line around is shown as a sign."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parents[1] / "templates"
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
"""Control characters, marks of direction, and characters without width."""


@cache
def environment() -> Environment:
    """The templates of the page, compiled once."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=_final,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def visible(text: str) -> str:
    """A text whose hidden characters are signs that can be seen.

    >>> visible("a\\tb"), visible("\\u202eevil"), visible("plain ü")
    ('a␉b', '⟨U+202E⟩evil', 'plain ü')
    """
    return HIDDEN.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def _final(value: Any) -> Any:
    """Every value that a template shows passes here, so that none can be forgotten."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
