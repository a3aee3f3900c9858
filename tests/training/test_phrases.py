"""Words of reports and tables: both languages have every sentence, with the same values, and every sentence is used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from features.numbers_in_words import LANGUAGES
from tests.conftest import REPOSITORY
from training import champion_choice, registration
from training.measuring import tables
from training.measuring.phrases import BETWEEN, Phrases
from training.report import texts

CATALOGUES = {
    "measuring/tables": tables.t,
    "report/*": texts.t,
    "registration": registration.t,
    "champion_choice": champion_choice.t,
}
FEWEST = {"measuring/tables": 16, "report/*": 16, "registration": 4, "champion_choice": 12}
"""Sentences of each; below that something was not read."""
CALLED = re.compile(r"\b(?:t|t\.head|t\.by_language|_told_loss)\(\s*\"([^\"]+)\"")
CHOSEN = re.compile(r"\bt\(\s*\"([^\"]+)\" if [\w.\[\] ]+ else \"([^\"]+)\"")


def fields(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)


@pytest.mark.parametrize("room", CATALOGUES)
def test_every_sentence_is_there_in_both_languages_with_the_same_values(room: str) -> None:
    sentences = CATALOGUES[room].sentences
    assert len(sentences) >= FEWEST[room]
    for key, said in sentences.items():
        assert set(said) == set(LANGUAGES), key
        assert fields(said["en"]) == fields(said["de"]), key
        assert said["en"].count(BETWEEN) == said["de"].count(BETWEEN), key
        assert all(said.values()), key


@pytest.mark.parametrize("room", CATALOGUES)
def test_every_sentence_that_code_asks_for_is_there(room: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "training").glob(f"{room}.py"))
    asked = {*CALLED.findall(code)} | {key for pair in CHOSEN.findall(code) for key in pair}
    assert len(asked) >= min(FEWEST[room], 11)
    assert asked <= set(CATALOGUES[room].sentences)


def test_a_name_without_a_word_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text('web = { en = "website", de = "Website" }\nhead = { en = "a | {b}", de = "ä | {b}" }\n')
    some = Phrases(path)
    assert [some.known(name, "de") for name in ("web", "fax")] == ["Website", "fax"]
    assert some.head("head", "de", b="x | y") == ["ä", "x", "y"]
    with pytest.raises(KeyError):
        some("fax", "en")
