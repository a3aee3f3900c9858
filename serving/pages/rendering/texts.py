"""What the page says, in English and German; the sentences stand in texts/*.toml, both languages side by side."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from features.words import Language

FOLDER = Path(__file__).parents[1] / "texts"


def text(key: str, language: Language, **values: Any) -> str:
    """A sentence by its dotted key, PAGE.NAME, with values filled in. Raises KeyError for one that is not there.

    >>> text("layout.language", "de")
    'Sprache'
    """
    sentence = catalogue()[key][language]
    return sentence.format_map(values) if values else sentence


def known(key: str, language: Language, otherwise: str) -> str:
    """The same for a key that is made of data, e.g. a stage of a name of one's own."""
    sentences = catalogue().get(key)
    return otherwise if sentences is None else sentences[language]


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """All sentences by key, read once."""
    by_key: dict[str, Mapping[str, str]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, sentences in tomllib.loads(path.read_text(encoding="utf-8")).items():
            by_key[f"{path.stem}.{name}"] = sentences
    return by_key
