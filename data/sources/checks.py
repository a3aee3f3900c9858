"""What a name or a number must be like, as SQL that gives the reason why one is refused, else null."""

from __future__ import annotations

from data.contract import NAME_LIMIT
from data.masking import masked_sql
from data.quoting import quoted

GROUPED = r"^[+-]?(\d{1,3}([.]\d{3})+|\d+)(,\d+)?$"
"""A number with a decimal comma, with or without points between thousands."""
PLAIN = r"^[+-]?(\d+([.]\d*)?|[.]\d+)(e[+-]?\d+)?$"
NO_NUMBER = r"^[+-]?(nan|inf|infinity)$"


def stripped(text: str) -> str:
    """A text without BLANKS around it, null where nothing is left."""
    return f"nullif(trim({text}), '')"


def number(text: str, decimal_comma: bool) -> str:
    """The double in a text expression; NaN and ±inf as they are; null where it is no number."""
    if not decimal_comma:
        return f"CASE WHEN regexp_matches(lower({text}), '{PLAIN}|{NO_NUMBER}') THEN try_cast({text} AS DOUBLE) END"
    plain = f"replace(replace({text}, '.', ''), ',', '.')"
    return f"CASE WHEN regexp_matches(lower({text}), '{GROUPED}|{NO_NUMBER}') THEN try_cast({plain} AS DOUBLE) END"


def name_check(name: str, column: str, required: bool = False) -> str:
    """An id, a type or a category: short and printable."""
    missing = f"WHEN {column} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
    has, allowed = quoted(f"{name} has "), quoted(f" characters, {NAME_LIMIT} are allowed")
    return f"""CASE {missing} WHEN length({column}) > {NAME_LIMIT} THEN {has} || length({column}) || {allowed}
        WHEN regexp_matches({column}, '[\\x00-\\x1f\\x7f]') THEN {quoted(f"{name} holds control characters")} END"""


def number_check(name: str, text: str, parsed: str, limit: float | None = None) -> str:
    """A finite number, and within ± `limit`."""
    shown = f"{quoted(name + ' ')} || '''' || {masked_sql(text)} || ''''"
    beyond = f"WHEN abs({parsed}) > {limit} THEN {shown} || {quoted(f' is beyond ±{limit:.0e}')}" if limit else ""
    return f"""CASE WHEN {text} IS NOT NULL AND {parsed} IS NULL THEN {shown} || ' is no number'
        WHEN NOT isfinite({parsed}) THEN {shown} || ' is not finite' {beyond} END"""
