"""What a run needs at its end, asked for before it begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from data.contract import DataError

ROOM = 32 << 20
"""Bytes that a run writes: model, judge, report and their copies in MLflow take 5 to 20 MB."""


def check_room(workspace: Path) -> None:
    """Raises DataError when the disk of a workspace has no room for what a run writes."""
    workspace.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(workspace).free
    if free < ROOM:
        raise DataError(
            f"{workspace} has {free >> 20} MB of free disk, a run needs {ROOM >> 20}; make room, then train again"
        )
