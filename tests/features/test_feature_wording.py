"""Every feature has words in English and German, and values are told as people write them."""

from __future__ import annotations

import pytest

from data.sources.mapping import read_mapping
from features.feature_wording import in_words, with_value
from features.kinds import KINDS, Count, Definition, LastTouch, Profile, ProfileNumber, Recency, Sum
from features.numbers_in_words import Language
from tests.features.leads import CATALOGUE


def test_every_kind_has_words_in_both_languages() -> None:
    assert len(KINDS) >= 17
    assert all(kind.sentence.en and kind.sentence.de for kind in KINDS)


@pytest.mark.parametrize("definition", CATALOGUE, ids=lambda definition: definition.name)
def test_words_are_complete_and_differ_by_language(definition: Definition) -> None:
    english, german = in_words(definition, "en"), in_words(definition, "de")
    assert english != german
    for text in (english, german):
        assert text
        assert not set("{}_") & set(text)


def test_different_features_have_different_words() -> None:
    for language in ("en", "de"):
        phrases = [
            in_words(definition, language) for definition in CATALOGUE if getattr(definition, "events", "any") != "web"
        ]
        assert len(set(phrases)) == len(phrases)


def test_shipped_mappings_name_their_event_types_in_both_languages() -> None:
    mapping = read_mapping("simulated")
    assert len(mapping.event_types) > 20
    for name in mapping.event_types:
        assert set(mapping.words[name]) == {"en", "de"}


@pytest.mark.parametrize(
    ("definition", "value", "language", "phrase"),
    [
        (Count("page_view", 7), 4.0, "en", "Views in the last 7 days: 4"),
        (Count("page_view", 1), 4.0, "de", "Aufrufe am letzten Tag: 4"),
        (Count("page_view"), 1_234_567.0, "en", "Views ever: 1,234,567"),
        (Sum("page_view"), 1_234_567.25, "de", "Gesamtwert: Aufrufe insgesamt: 1.234.567"),
        (Recency("page_view"), 2.25, "de", "Tage seit zuletzt: Aufrufe: 2,2"),
        (Recency("smoke_signal"), float("nan"), "en", "days since the latest smoke signal: unknown"),
        (ProfileNumber("employees"), -3.0, "en", "profile: employees: -3"),
        (LastTouch("channel"), "search", "de", "Kanal zuletzt: search"),
        (Profile("lead_source"), None, "de", "Profil: Herkunft: unbekannt"),
    ],
)
def test_values_are_told(definition: Definition, value: float | str | None, language: Language, phrase: str) -> None:
    words = {"page_view": {"en": "Views", "de": "Aufrufe"}}
    assert with_value(definition, value, language, words) == phrase


def test_words_with_braces_are_left_alone() -> None:
    assert in_words(Count("x"), "en", {"x": {"en": "{days} of {x}"}}) == "{days} of {x} ever"
