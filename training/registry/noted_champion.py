"""Which version was made champion here last, noted in the workspace, so that a first start need not wait for MLflow.

MLflow stays the truth: a server that answers already asks it. Only what a workspace's own database says is noted, since
others move the aliases of a shared one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from training.registry.registered import Registered

FOLDER = "champions"


def note(workspace: Path, champion: Registered) -> None:
    """Notes who is champion now; artifacts by their place in the workspace, which may be moved."""
    path = _path(workspace, champion.name)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    places = {field: os.path.relpath(getattr(champion, field), workspace) for field in ("folder", "judge")}
    draft.write_text(json.dumps(asdict(champion) | places, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)


def forget(workspace: Path, name: str) -> None:
    """Another one is about to become champion."""
    _path(workspace, name).unlink(missing_ok=True)


def noted(workspace: Path, name: str) -> Registered | None:
    """Who was made champion last, None where that is not noted."""
    try:
        champion = Registered(**json.loads(_path(workspace, name).read_text(encoding="utf-8")))
        return replace(champion, folder=workspace / champion.folder, judge=workspace / champion.judge)
    except (OSError, ValueError, TypeError):
        return None


def _path(workspace: Path, name: str) -> Path:
    return workspace / FOLDER / f"{name}.json"
