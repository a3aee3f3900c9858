"""What people read of numbers: honest at the edges, one rule in each language, no dearer than it has to be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contract import US_PER_DAY
from features import numbers_in_words
from features.dates import ago, day, minute
from features.numbers_in_words import (
    LANGUAGES,
    Language,
    amount,
    chance,
    counted,
    number,
    percent,
    short_percent,
    signed,
    span,
    within,
)

SHARES = st.floats(0, 1)
ANY_LANGUAGE = st.sampled_from(LANGUAGES)
LESS, MORE = {"en": "fewer than ", "de": "weniger als "}, {"en": "more than ", "de": "mehr als "}
DAY = 1_709_596_800_000_000


def numbers(text: str, language: Language) -> list[int]:
    """The whole numbers of a text."""
    return [int(digits) for digits in re.findall(r"\d+", text.replace("," if language == "en" else ".", ""))]


@given(SHARES, ANY_LANGUAGE)
def test_a_chance_is_never_none_and_never_all_and_is_near(p: float, language: Language) -> None:
    text = chance(p, language)
    count, of = numbers(text, language)
    assert 0 < count < of
    assert of == (1000 if p < 0.0095 else 100)
    if text.startswith(LESS[language]):
        assert p <= 0.5 / of
    elif text.startswith(MORE[language]):
        assert p * of > count
    else:
        assert abs(p * of - count) <= 0.5 + 1e-9


@pytest.mark.parametrize("p", [0.995, 0.9951, 0.99999, 1.0])
def test_all_but_certain_is_not_all(p: float) -> None:
    assert chance(p) == "more than 99 of 100"


@given(SHARES, SHARES, ANY_LANGUAGE)
def test_an_interval_is_rounded_outward_and_promises_neither_none_nor_all(
    one: float, other: float, language: Language
) -> None:
    low, high = sorted((one, other))
    text = span(low, high, language)
    *ends, of = numbers(text, language)
    assert all(0 < end < of for end in ends)
    if text.startswith((LESS[language], "at most ", "höchstens ")):
        assert low < 1 / of
    else:
        assert ends[0] / of <= low + 1e-12
    if text.startswith(("at least ", "mindestens ")) or MORE[language] in text:
        assert high > (of - 1) / of
    else:
        assert ends[-1] / of >= high - 1e-12


@given(st.floats(-1e8, 1e8), st.integers(0, 6))
def test_numbers_are_grouped_and_rounded_as_python_does(value: float, digits: int) -> None:
    assert number(value, digits) == f"{round(value, digits) + 0.0:,.{digits}f}"
    swapped = number(value, digits).translate(str.maketrans(",.", ".,"))
    assert number(value, digits, "de") == swapped


@given(st.floats(-1000, 1000), st.integers(1, 6))
def test_differences_have_a_sign(value: float, digits: int) -> None:
    assert signed(value, digits)[0] == ("-" if value < 0 or str(value) == "-0.0" else "+")


def test_each_language_writes_in_its_own_way() -> None:
    assert (percent(0.5, 1), percent(0.5, 1, "de")) == ("50.0%", "50,0\N{NO-BREAK SPACE}%")
    assert (short_percent(0.5), short_percent(0.9995)) == ("50%", "99.95%")
    assert (amount(7), amount(7.25), amount(1234.5, "de")) == ("7", "7.2", "1.234")
    assert (day(DAY), day(DAY, "de")) == ("5 Mar 2024", "05.03.2024")
    assert (minute(DAY + 61_000_000), minute(DAY, "de")) == ("5 Mar 2024, 00:01", "05.03.2024, 00:00")
    assert [ago(0, days * US_PER_DAY, "de") for days in (0, 1, 2)] == ["heute", "gestern", "vor 2 Tagen"]
    assert ago(US_PER_DAY, 0) == "today"
    assert (within(1), within(2, "de")) == ("within 1 day", "innerhalb von 2 Tagen")


def test_a_form_that_a_language_lacks_is_the_other_one() -> None:
    assert counted(1, {"other": "{count} leads"}) == "1 leads"


@pytest.mark.parametrize("moment", [-(2**62), 2**62])
def test_a_time_beyond_the_calendar_is_its_edge(moment: int) -> None:
    assert day(moment)[-4:].strip() in {"1", "9999"} or day(moment).endswith(" 1")
    assert minute(moment)


def test_nothing_is_made_before_it_is_needed_and_nothing_twice() -> None:
    numbers_in_words._number.cache_clear()
    for _ in range(1000):
        number(1234.5, 1)
    counts = numbers_in_words._number.cache_info()
    assert (counts.misses, counts.hits) == (1, 999)
