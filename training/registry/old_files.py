"""Files of a workspace that age: runs that were never registered, and what backtests keep to go on from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from training.registry.run_folder import ABOUT, run_ids, runs_path, unregistered


def old_runs(workspace: Path, before_s: float) -> list[Path]:
    """Folders of runs of all targets that no version was made of, finished before a time (seconds since 1970).

    The newest registered run of a target is kept by its registering, older ones went then.
    """
    targets = [folder.name for folder in sorted(runs_path(workspace, "").glob("*")) if run_ids(workspace, folder.name)]
    paths = (runs_path(workspace, target) / run for target in targets for run in unregistered(workspace, target))
    return [path for path in paths if (path / ABOUT).stat().st_mtime < before_s]


def old_cells(workspace: Path, before_s: float) -> list[Path]:
    """Predictions that backtests of all targets have kept before a time; a backtest makes again what it lacks."""
    paths = sorted((workspace / "backtest").glob("*/**/*.npy"))
    return [path for path in paths if path.stat().st_mtime < before_s]


def remove(paths: Iterable[Path]) -> None:
    """Removes files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
