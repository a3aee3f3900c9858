"""Text as a cell of a sheet: spreadsheets run what looks like a formula, wherever they believe a cell begins."""

from __future__ import annotations

import re
from typing import Any

SIGNS = "[=+\\-@＝＋－＠]"
LIVE = re.compile(rf"""(^|[;,|])(["'\s]*)({SIGNS})""")
"""What spreadsheets run as a formula at the start of a cell; also behind a character that they may split a cell at."""
MADE_INERT = re.compile(rf"""(^|[;,|])(["'\s]*)'({SIGNS})""")


def inert(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front of what would start it.

    >>> inert("=1+1"), inert("a;=1+1"), inert(-0.5), inert("a = b")
    ("'=1+1", "a;'=1+1", -0.5, 'a = b')
    """
    if not isinstance(value, str):
        return value
    return LIVE.sub(r"\1\2'\3", re.sub(r"[\t\r\n\v\f]", " ", value))


def revived(cell: str) -> str:
    """What a cell that `inert` has written says.

    >>> revived("'=1+1"), revived("a;'=1+1"), revived("''=1"), revived("it's")
    ('=1+1', 'a;=1+1', "'=1", "it's")
    """
    return MADE_INERT.sub(r"\1\2\3", cell)
