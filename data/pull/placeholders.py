"""Placeholders in what is asked: the environment, the time of the last pull, ids, lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data.contract import UsageError

PLACEHOLDER = re.compile(r"\{([a-z][\w.]*)\}")


def filled(asked: Any, values: Mapping[str, Any]) -> Any:
    """What is asked, with values instead of placeholders; a text that is nothing but a placeholder becomes its value.

    Raises UsageError for a placeholder that has no value.

    >>> filled({"inputs": "{ids}", "q": "since {since}"}, {"ids": [1, 2], "since": "2026"})
    {'inputs': [1, 2], 'q': 'since 2026'}
    """
    if isinstance(asked, dict):
        return {key: filled(value, values) for key, value in asked.items()}
    if isinstance(asked, list | tuple):
        return [filled(value, values) for value in asked]
    if not isinstance(asked, str):
        return asked
    whole = PLACEHOLDER.fullmatch(asked)
    if whole:
        return _value(whole[1], values)
    return PLACEHOLDER.sub(lambda match: _text(_value(match[1], values)), asked)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    if name in values:
        return values[name]
    if name.startswith("env."):
        variable = name.removeprefix("env.")
        raise UsageError(f"the environment variable {variable} is missing; set it, see docs/crm/pull.md")
    known = sorted(known for known in values if not known.startswith("env."))
    raise UsageError(f"{{{name}}} means nothing here; there are {', '.join(known)[:300]}")


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """{env.NAME} for each variable that is set; a blank one is none."""
    return {f"env.{name}": value.strip() for name, value in environ.items() if value.strip()}
