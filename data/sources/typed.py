"""Columns with types, as Parquet, databases and queries have them, as text in SQL."""

from __future__ import annotations

import pyarrow as pa

EXACT = 2**53
"""Below this a float holds every whole number."""


def text_of(column: str, kind: pa.DataType, is_id: bool) -> str:
    """SQL for the text of a column of this type; categories, as pandas writes them, are what they are made of.

    Ids of floats or decimals are the text without `.0` where they are whole numbers, and NaN is none; of lists and
    structures they are JSON, as in JSON lines, which is refused there.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_id and pa.types.is_nested(kind):
        return f"to_json({column})::VARCHAR"
    if is_id and pa.types.is_floating(kind):
        return whole_number(column)
    fraction = is_id and pa.types.is_decimal(kind) and kind.scale > 0
    return f"rtrim(rtrim({column}::VARCHAR, '0'), '.')" if fraction else f"{column}::VARCHAR"


def text_of_float(number: float) -> str:
    """The text of a float that may be an id, by the rule of `whole_number`.

    >>> text_of_float(123.0), text_of_float(0.5), text_of_float(2.0**53)
    ('123', '0.5', '9.007199254740992e+15')
    """
    return repr(number).removesuffix(".0") if abs(number) < EXACT else f"{number:.15e}"


def whole_number(number: str) -> str:
    """SQL for the text of a float that is an id; one of which digits are lost has an exponent, and is refused by it."""
    return f"""CASE WHEN {number} = trunc({number}) AND abs({number}) < {EXACT} THEN {number}::BIGINT::VARCHAR
        WHEN isnan({number}) THEN NULL WHEN abs({number}) >= {EXACT} THEN format('{{:.15e}}', {number})
        ELSE {number}::VARCHAR END"""
