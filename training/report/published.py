"""The report that people open: a copy of the newest registered run's, always at the same place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from training.registry.run_folder import REPORT, RunFolder


def report_path(workspace: Path, target: str) -> Path:
    """The folder of a target's report and model card."""
    return workspace / "reports" / target


def publish_report(run: RunFolder, workspace: Path) -> None:
    """Puts a run's report where people look for it, file by file, each as a whole; nothing for a run without one."""
    source, folder = run.path / REPORT, report_path(workspace, run.about.target)
    if not source.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        draft = folder / f"{path.name}.{os.getpid()}.draft"
        shutil.copyfile(path, draft)
        os.replace(draft, folder / path.name)
