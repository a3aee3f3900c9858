"""What reports, model cards and pictures say; the sentences stand in `texts.toml`, both languages side by side."""

from __future__ import annotations

from pathlib import Path

from training.measuring.phrases import Phrases

t = Phrases(Path(__file__).with_suffix(".toml"))
