"""What `data/ids.py` and `data/numbers.py` say, as SQL that gives the reason why a text is refused, else null."""

from __future__ import annotations

from collections.abc import Sequence

from data.contract import BLANKS, NAME_LIMIT
from data.ids import CONTROL, HAS_LOST, IS_NESTED, IS_NO_ID, LOST, MAIL, NO_ID, PHONE
from data.masking import masked_sql
from data.numbers import GROUPED, NOT_FINITE, PLAIN, amount_pattern
from data.quoting import quoted

YES, NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
FINITE = {False: PLAIN, True: GROUPED}
"""How a number is written, by whether it has a decimal comma."""
OTHER_DECIMALS = {
    False: "is a number with a decimal comma; set decimal_comma = true",
    True: "is a number with a decimal point; set decimal_comma = false",
}
"""What is said of a number in the form that is not the source's, by whether that has a decimal comma."""
PERSONAL = "is an e-mail address or a telephone number"


def filled(text: str, nothing: Sequence[str], plain: str = "false") -> str:
    """A text without BLANKS around it and composed, null where it is one of the words that mean nothing.

    plain: SQL for whether it is known to be its own id.
    """
    if len(nothing) == 1:
        return f"nullif(CASE WHEN {plain} THEN {text} ELSE {_trimmed(text)} END, {quoted(nothing[0])})"
    trimmed, longest = _trimmed(text), max(len(word.encode()) for word in nothing)
    words = ", ".join(map(quoted, nothing))
    return f"CASE WHEN strlen({trimmed}) > {longest} THEN {trimmed} WHEN {trimmed} NOT IN ({words}) THEN {trimmed} END"


def _trimmed(text: str) -> str:
    """By the rule of `id_from_text`. Plain text is the usual one, and ten times as fast; NUL ends what NFC reads."""
    other = f"trim({text}, {quoted(BLANKS)})"
    return f"""(CASE WHEN strlen({text}) = length({text}) THEN trim({text})
        WHEN contains({text}, chr(0)) THEN {other} ELSE nfc_normalize({other}) END)"""


def number(text: str, decimal_comma: bool) -> str:
    """The double in a text expression, by the rule of `amount_from_text`; NaN and ±inf as they are; null where it is
    no number."""
    written = f"replace(replace({text}, '.', ''), ',', '.')" if decimal_comma else text
    signs = f"regexp_replace(replace(lower({text}), 'fr.', ''), '[^0-9+{',' if decimal_comma else '.'}-]', '', 'g')"
    return f"""CASE WHEN regexp_matches(lower({text}), '^({FINITE[decimal_comma]}|{NOT_FINITE})$')
        THEN try_cast({written} AS DOUBLE)
        WHEN regexp_matches(lower({text}), {quoted(f"^{amount_pattern(decimal_comma)}$")})
        THEN try_cast(replace({signs}, ',', '.') AS DOUBLE) END"""


def name_check(name: str, column: str, required: bool = False, plain: str = "false") -> str:
    """An id, a type or a category without blanks around it, by the rule of `id_from_text`; a test proves it.

    plain: SQL for whether it is known to hold printable signs alone.
    """
    missing = f"WHEN {column} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
    has, allowed = quoted(f"{name} has "), quoted(f" characters, {NAME_LIMIT} are allowed")
    return f"""CASE {missing} WHEN length({column}) > {NAME_LIMIT} THEN {has} || length({column}) || {allowed}
        WHEN NOT {plain} AND regexp_matches({column}, '{CONTROL.pattern}')
        THEN {quoted(f"{name} holds control characters")} END"""


def id_check(name: str, column: str) -> str:
    """What `damage_of` says of an id; a test proves it."""
    is_nested = f"(starts_with({column}, '{{') OR starts_with({column}, '[')) AND json_valid({column})"
    lengths = ", ".join(str(length) for length in sorted({len(word) for word in NO_ID}))
    value = quoted(name + " '") + f" || {column} ||"
    return f"""CASE WHEN contains({column}, '+') AND regexp_matches({column}, {quoted(LOST)})
        THEN {value} {quoted("' " + HAS_LOST)}
        WHEN {is_nested} THEN {quoted(name + " " + IS_NESTED)}
        WHEN strlen({column}) IN ({lengths}) AND lower({column}) IN ({", ".join(map(quoted, NO_ID))})
        THEN {value} {quoted("' " + IS_NO_ID)} END"""


def personal(column: str) -> str:
    """SQL for `says_who`."""
    may_be_phone = f"starts_with({column}, '+') OR starts_with({column}, '(') OR strlen({column}) = 12"
    return f"""((contains({column}, '@') AND regexp_matches({column}, {quoted(MAIL)}))
        OR (({may_be_phone}) AND regexp_matches({column}, {quoted(PHONE)})))"""


def personal_check(name: str, column: str, source: str, remedy: str) -> str:
    """What says who somebody is, in a column that is kept. source: what the export calls the column."""
    reason = f" {PERSONAL}; {remedy}, or add as_is = "
    return f"""CASE WHEN {personal(column)} THEN {quoted(name + " '")} || {masked_sql(column)}
        || {quoted(f"'{reason}" + f'["{source}"]')} END"""


def number_check(name: str, text: str, parsed: str, decimal_comma: bool, limit: float | None = None) -> str:
    """A finite number, written as the source is said to write them, and within ± `limit`."""
    shown = f"{quoted(name + ' ')} || '''' || {masked_sql(text)} || ''''"
    beyond = f"WHEN abs({parsed}) > {limit} THEN {shown} || {quoted(f' is beyond ±{limit:.0e}')}" if limit else ""
    return f"""CASE WHEN {text} IS NOT NULL AND {parsed} IS NULL
        THEN {shown} || CASE WHEN {number(text, not decimal_comma)} IS NULL THEN ' is no number'
            ELSE {quoted(f" {OTHER_DECIMALS[decimal_comma]}")} END
        WHEN NOT isfinite({parsed}) THEN {shown} || ' is not finite' {beyond} END"""


def yes(text: str) -> str:
    """SQL for whether a text says yes; nothing says no."""
    return f"coalesce(lower({text}) IN {YES}, false)"


def yes_check(name: str, text: str) -> str:
    """Yes or no."""
    shown = f"{quoted(name + ' ')} || '''' || {masked_sql(text)} || ''''"
    return f"CASE WHEN lower({text}) NOT IN {YES + NO} THEN {shown} || ' is neither true nor false' END"
