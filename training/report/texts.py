"""What reports, model cards and pictures say; the sentences stand in `texts.toml`, both languages side by side."""

from __future__ import annotations

from pathlib import Path

from features.numbers_in_words import Language
from training.measuring import tables
from training.measuring.phrases import Phrases

t = Phrases(Path(__file__).with_suffix(".toml"))


def named(name: str, language: Language) -> str:
    """A contender, a segment or one of its values as people call it."""
    return t.known(tables.t.known(name, language), language)
