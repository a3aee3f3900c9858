"""Words of the page: both languages have every sentence, with the same values, and every sentence is used."""

from __future__ import annotations

import re
from string import Formatter

from features.numbers_in_words import LANGUAGES, Forms
from serving.pages.rendering.templates import FOLDER, environment
from serving.pages.rendering.texts import catalogue

FORBIDDEN = re.compile(r"\|\s*safe\b|autoescape|<script(?! src=\"/static/)|\son[a-z]+=|\sstyle=|javascript:")
USED = re.compile(r"\b(?:t|known)\(f?\"([a-z_]+\.[a-z_0-9]*)")
"""A key, or how one begins that is made of data."""


def fields(sentence: str | Forms) -> set[str]:
    return {name for form in forms(sentence) for _, name, _, _ in Formatter().parse(form) if name is not None}


def forms(sentence: str | Forms) -> list[str]:
    """A sentence, or its forms for one and for more."""
    return [sentence] if isinstance(sentence, str) else list(sentence.values())


def test_every_sentence_is_there_in_both_languages_with_the_same_values() -> None:
    assert len(catalogue()) > 30
    for key, sentences in catalogue().items():
        assert set(sentences) == set(LANGUAGES), key
        assert fields(sentences["en"]) == fields(sentences["de"]), key
        for sentence in sentences.values():
            assert all(form == form.strip() and form for form in forms(sentence)), key
            assert isinstance(sentence, str) or ("other" in sentence and fields(sentence) == {"count"}), key


def test_no_sentence_is_missing_and_none_is_left_over() -> None:
    sources = [*FOLDER.glob("*.html"), *FOLDER.parent.rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(USED.findall(text))
    whole = {key for key in used if not key.endswith((".", "_"))}
    assert len(whole) > 15
    assert whole <= set(catalogue())
    begun = tuple(used - whole)
    assert not {
        definition for definition in catalogue() if definition not in whole and not definition.startswith(begun)
    }


def test_every_template_compiles_and_has_an_ending_that_is_escaped() -> None:
    names = environment().list_templates()
    assert len(names) >= 3
    for name in names:
        assert name.endswith(".html")
        environment().get_template(name)
        source = (FOLDER / name).read_text(encoding="utf-8")
        assert not FORBIDDEN.search(source), name
