"""The reports that people open: copies of registered runs', which say whose they are, always at the same places."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.registry.registry import CHAMPION
from training.registry.run_folder import REPORT, RunFolder
from training.report.page import paragraph, replaced
from training.report.report import VERSION


def report_path(workspace: Path, target: str, alias: str = CHAMPION) -> Path:
    """The folder of a target's report and model card; another alias than the champion has one of its own below."""
    folder = workspace / "reports" / target
    return folder if alias == CHAMPION else folder / alias


@contextmanager
def named_report(run: RunFolder, named: str) -> Iterator[Path]:
    """A copy of a run's report that says which version it is of; empty for a run without one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if (run.path / REPORT).is_dir():
            shutil.copytree(run.path / REPORT, folder, dirs_exist_ok=True)
        for file, text in (("report.html", paragraph(named)), ("model_card.md", named)):
            if (folder / file).exists():
                report = replaced((folder / file).read_text(encoding="utf-8"), VERSION, text)
                (folder / file).write_text(report, encoding="utf-8")
        yield folder


def publish_report(run: RunFolder, workspace: Path, alias: str, named: str) -> None:
    """Puts a run's report where people look for it, file by file, each as a whole; nothing for a run without one."""
    folder = report_path(workspace, run.about.target, alias)
    with named_report(run, named) as source:
        for path in sorted(source.iterdir()):
            folder.mkdir(parents=True, exist_ok=True)
            draft = folder / f"{path.name}.{os.getpid()}.draft"
            shutil.copyfile(path, draft)
            os.replace(draft, folder / path.name)
