"""A written number: what the rule says, and that the SQL of an ingest says the same of any text and any value."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.contract import BLANKS, VALUE_LIMIT, VALUE_SCALE
from data.numbers import PLAIN, NoNumber, amount_from_text, number_from_text, rounded_value, within_limit
from data.sources import checks

FINITE = st.floats(allow_nan=False, allow_infinity=False)
WRITTEN = (
    FINITE.map(repr)
    | st.integers().map(str)
    | FINITE.map(lambda n: f"{n:e}")
    | st.floats(-1e12, 1e12).map(lambda n: f"{n:,.2f}")
    | st.floats(-1e12, 1e12).map(lambda n: f"{n:,.2f}".translate(str.maketrans(",.", ".,")))
    | st.text("0123456789+-.,eE_x ", max_size=12)
    | st.text(st.characters(codec="utf-8"), max_size=5)
)
CASES = (
    *("1", "+1", "-.5", "5.", ".", "", "1e5", "1E+5", "1e", "e5", "1_000", "0x10", "1 000", "1,5", "1.234,5", "1.23,4"),
    *(
        "1.234",
        "12.34.567",
        "NaN",
        "-Infinity",
        "inf",
        "infinite",
        "1e999",
        "-1e999",
        "1e-999",
        "٣",
        "1\n",
        "\t1",
        " 1 ",
    ),
    *("$1,200.50", "1,200", "1,20", "€ 5", "5 €", "-$5", "$-5", "-$-5", "USD 1,200", "1.200,50 EUR", "CHF 1'200.5"),
    *("1 200,50", "1\xa0200\u202f000", "50%", "12 mio", "5 pcs", "Fr. 5.-", "1e3 €", "$", "€", "1,2,3", "R$ 1.000,5"),
    *("5e11", "500000000000.0001", "-5e11", "6e11", "0.00005", "-0.0", "1.00015", "2.5e-5"),
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "decimal_comma", "number"),
    [
        ("$1,200.50", False, 1200.5), ("1,200", False, 1200.0), ("€ 5", False, 5.0), ("-$5", False, -5.0),
        ("$-5", False, -5.0), ("1'200.5", False, 1200.5), ("1,234,567", False, 1234567.0), ("USD 12", False, 12.0),
        ("1.200,50 EUR", True, 1200.5), ("1\u202f200,5", True, 1200.5), ("Fr. 1'200,5", True, 1200.5),
    ],
)  # fmt: skip
def test_amounts_of_money_are_numbers(text: str, decimal_comma: bool, number: float) -> None:
    assert amount_from_text(text, decimal_comma) == number


@pytest.mark.parametrize("text", ["50%", "12 mio", "1,20", "1,2000", "12,34,567", "5 pcs", "--5", "$", "(5)"])
def test_what_may_mean_another_number_is_none(text: str) -> None:
    with pytest.raises(NoNumber):
        amount_from_text(text)


def test_requests_hold_numbers_and_no_amounts() -> None:
    with pytest.raises(NoNumber):
        number_from_text("1,200")


def said(text: str, decimal_comma: bool) -> tuple[bytes | None, bool]:
    """The bits of an event's value by the functions, and whether it is refused."""
    if not text.strip(BLANKS):
        return None, False
    try:
        return struct.pack("d", rounded_value(within_limit(amount_from_text(text, decimal_comma)))), False
    except NoNumber:
        return None, True


def disagreements(con: duckdb.DuckDBPyConnection, texts: Sequence[str], decimal_comma: bool) -> list[str]:
    """Texts that are one value to the functions and another to the SQL of an ingest."""
    con.register("sent", pa.table({"i": range(len(texts)), "sent": pa.array(texts, pa.string())}))
    rows = con.execute(
        f"""SELECT round_even(number * {VALUE_SCALE}, 0) / {VALUE_SCALE},
            {checks.number_check("value", "text", "number", decimal_comma, VALUE_LIMIT)} FROM
        (SELECT i, text, {checks.number("text", decimal_comma)} AS number FROM
        (SELECT i, {checks.filled("sent", ("",))} AS text FROM sent)) ORDER BY i"""
    ).fetchall()
    sql = [(None if reason or value is None else struct.pack("d", value), reason is not None) for value, reason in rows]
    return [text for text, parsed in zip(texts, sql, strict=True) if parsed != said(text, decimal_comma)]


@settings(deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=50), st.booleans())
@example(list(CASES), False)
@example(list(CASES), True)
def test_sql_and_function_agree(con: duckdb.DuckDBPyConnection, texts: list[str], decimal_comma: bool) -> None:
    assert disagreements(con, texts, decimal_comma) == []


@pytest.mark.parametrize(
    ("name", "fault"), [("FINITE", {False: "[+-]?[0-9_.e]+", True: "[0-9]+"}), ("FINITE", {False: PLAIN, True: PLAIN})]
)
def test_sql_that_says_something_else_is_caught(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, name: str, fault: object
) -> None:
    """The planted faults."""
    monkeypatch.setattr(checks, name, fault)
    assert disagreements(con, [*CASES, "1_0"], False) or disagreements(con, [*CASES, "1_0"], True)


@given(st.floats(-VALUE_LIMIT, VALUE_LIMIT))
def test_a_value_is_rounded_once(value: float) -> None:
    rounded = rounded_value(value)
    assert rounded_value(rounded) == rounded
    assert abs(rounded - value) <= 0.5 / VALUE_SCALE + abs(value) * 2**-52
    assert math.copysign(1, rounded) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(math.nan, "not finite"), (-math.inf, "not finite"), (5.1e11, "beyond"), (10**400, "beyond")],
)
def test_a_value_beyond_the_limit_is_refused(number: float, reason: str) -> None:
    with pytest.raises(NoNumber, match=reason):
        within_limit(number)
