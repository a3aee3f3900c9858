"""One sentence says what the model says, what happened to leads that scored alike, and which of the two to believe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.numbers_in_words import LANGUAGES, Language, chance, span, within
from features.outlook import conversion, departure

SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SHARES, st.integers(1, 400), st.sampled_from(LANGUAGES))
def test_a_sentence_has_the_same_words_as_its_parts(
    p: float, low: float, high: float, days: int, language: Language
) -> None:
    low, high = min(low, high), max(low, high)
    text = conversion(p, low, high, days, language)
    for part in (chance(p, language), span(low, high, language), within(days, language)):
        assert part in text
    assert text.startswith(chance(p, language)) == (departure(p, low, high) == "agrees")


@given(SHARES, SHARES, SHARES)
def test_no_probability_is_called_wrong_that_is_told_as_within_the_interval(p: float, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    assert departure(min(max(p, low), high), low, high) == "agrees"
    side = departure(p, low, high)
    assert side != "too_high" or p > high
    assert side != "too_low" or p < low


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "en",
            "expect 47 to 64 of 100 to convert within 30 days: so many did of leads that scored alike; the model's "
            "83 of 100 is too high",
        ),
        (
            "de",
            "zu erwarten: 47 bis 64 von 100 konvertieren innerhalb von 30 Tagen, wie ähnlich bewertete Leads es taten; "
            "die 83 von 100 des Modells sind zu hoch",
        ),
    ],
)
def test_where_the_model_oversells_what_happened_comes_first(language: Language, sentence: str) -> None:
    assert conversion(0.83, 0.4703, 0.632, 30, language) == sentence


def test_where_it_undersells_too() -> None:
    assert "2 of 100 is too low" in conversion(0.02, 0.04, 0.09, 30)


def test_what_rounds_to_the_same_is_no_contradiction() -> None:
    assert departure(0.6349, 0.47, 0.632) == "agrees"
