"""Sentences of one file, English and German side by side: what tables, reports and pictures say."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from features.numbers_in_words import LANGUAGES, Language

BETWEEN = " | "
"""What parts the heads of a table's columns."""


@dataclass(frozen=True)
class Phrases:
    """Sentences of a TOML file, each `key = { en = "…", de = "…" }`; read when the first one is asked for."""

    path: Path

    def __call__(self, key: str, language: Language, **values: Any) -> str:
        """A sentence with values filled in. Raises KeyError for one that is not there."""
        sentence = self.sentences[key][language]
        return sentence.format_map(values) if values else sentence

    def by_language(self, key: str, **values: Any) -> dict[Language, str]:
        """A sentence in every language."""
        return {language: self(key, language, **values) for language in LANGUAGES}

    def head(self, key: str, language: Language, **values: Any) -> list[str]:
        """The heads of a table's columns."""
        return self(key, language, **values).split(BETWEEN)

    def known(self, name: str, language: Language) -> str:
        """The word for a name that data or code brings, or the name itself where none is here."""
        return self.sentences[name][language] if name in self.sentences else name

    @cached_property
    def sentences(self) -> Mapping[str, Mapping[str, str]]:
        """All of them by key."""
        return tomllib.loads(self.path.read_text(encoding="utf-8"))
