"""Artifacts for tests: facts about training that are made up, and model.json changed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.artifact.manifest import TrainedOn
from training.registry.artifact_files import seal
from training.thresholds.minimum_labels import Need

TRAINED_ON = TrainedOn("2024-01-01", "2024-12-31", to_us=0, moments=9, leads=7, converted=1)
NEED = Need(leads=400, converted=34, needed=148, per_week=1.0, criterion="shrinkage")


def plain_manifest(folder: Path) -> dict[str, Any]:
    """What model.json holds."""
    plain: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return plain


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes model.json, and its sha256 with it."""
    plain = plain_manifest(folder)
    change(plain)
    seal(folder, json.dumps(plain).encode())
