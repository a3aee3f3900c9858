"""Templates: every value is escaped, and what would be invisible or turn a line around is shown as a sign."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from data.hidden_signs import visible

FOLDER = Path(__file__).parents[1] / "templates"


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


def _final(value: Any) -> Any:
    """Every value that a template shows passes here, so that none can be forgotten."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
