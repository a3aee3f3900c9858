"""What the page says, in English and German; the sentences stand in texts/*.toml, both languages side by side."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from features.numbers_in_words import Forms, Language, counted

FOLDER = Path(__file__).parents[1] / "texts"


def text(key: str, language: Language, **values: Any) -> str:
    """A sentence by its dotted key, PAGE.NAME, with values filled in. Raises KeyError for one that is not there.

    A sentence that has a form for one and another for more takes `count` alone.

    >>> text("layout.language", "de"), text("leads.contacts", "de", count=1)
    ('Sprache', '1 Kontakt in 30 Tagen')
    """
    sentence = catalogue()[key][language]
    if not isinstance(sentence, str):
        return counted(values["count"], sentence, language)
    return sentence.format_map(values) if values else sentence


def known(key: str, language: Language, otherwise: str) -> str:
    """The same for a key that is made of data, e.g. a stage of a name of one's own."""
    return text(key, language) if key in catalogue() else otherwise


@cache
def catalogue() -> Mapping[str, Mapping[str, str | Forms]]:
    """All sentences by key, read once."""
    sentences: dict[str, Mapping[str, str | Forms]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, sentence in tomllib.loads(path.read_text(encoding="utf-8")).items():
            sentences[f"{path.stem}.{name}"] = sentence
    return sentences
