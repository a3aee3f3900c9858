"""What `data/ids.py` and `data/numbers.py` say, as SQL that gives the reason why a text is refused, else null."""

from __future__ import annotations

from data.contract import NAME_LIMIT
from data.ids import CONTROL
from data.masking import masked_sql
from data.numbers import GROUPED, NOT_FINITE, PLAIN
from data.quoting import quoted

YES, NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
FINITE = {False: PLAIN, True: GROUPED}
"""How a number is written, by whether it has a decimal comma."""


def stripped(text: str) -> str:
    """A text without BLANKS around it, null where nothing is left."""
    return f"nullif(trim({text}), '')"


def number(text: str, decimal_comma: bool) -> str:
    """The double in a text expression; NaN and ±inf as they are; null where it is no number."""
    written = f"replace(replace({text}, '.', ''), ',', '.')" if decimal_comma else text
    return f"""CASE WHEN regexp_matches(lower({text}), '^({FINITE[decimal_comma]}|{NOT_FINITE})$')
        THEN try_cast({written} AS DOUBLE) END"""


def name_check(name: str, column: str, required: bool = False) -> str:
    """An id, a type or a category without blanks around it, by the rule of `id_from_text`; a test proves it."""
    missing = f"WHEN {column} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
    has, allowed = quoted(f"{name} has "), quoted(f" characters, {NAME_LIMIT} are allowed")
    return f"""CASE {missing} WHEN length({column}) > {NAME_LIMIT} THEN {has} || length({column}) || {allowed}
        WHEN regexp_matches({column}, '{CONTROL.pattern}') THEN {quoted(f"{name} holds control characters")} END"""


def number_check(name: str, text: str, parsed: str, limit: float | None = None) -> str:
    """A finite number, and within ± `limit`."""
    shown = f"{quoted(name + ' ')} || '''' || {masked_sql(text)} || ''''"
    beyond = f"WHEN abs({parsed}) > {limit} THEN {shown} || {quoted(f' is beyond ±{limit:.0e}')}" if limit else ""
    return f"""CASE WHEN {text} IS NOT NULL AND {parsed} IS NULL THEN {shown} || ' is no number'
        WHEN NOT isfinite({parsed}) THEN {shown} || ' is not finite' {beyond} END"""


def yes(text: str) -> str:
    """SQL for whether a text says yes; nothing says no."""
    return f"coalesce(lower({text}) IN {YES}, false)"


def yes_check(name: str, text: str) -> str:
    """Yes or no."""
    shown = f"{quoted(name + ' ')} || '''' || {masked_sql(text)} || ''''"
    return f"CASE WHEN lower({text}) NOT IN {YES + NO} THEN {shown} || ' is neither true nor false' END"
