"""Runs to register, made of artifacts that are there already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa

from training.registry.run_folder import JUDGE, MODEL, RunFolder, finished, run_draft


def made_run(workspace: Path, model: Path, judge: Path, base: str | None = None, reason: str = "") -> RunFolder:
    """A finished run of the target conversion below a workspace."""
    example = pa.table({"count_page_view_7d": [1.0]})
    with run_draft(workspace, "conversion") as draft:
        shutil.copytree(model, draft / MODEL)
        shutil.copytree(judge, draft / JUDGE)
        return finished(draft, "conversion", example, base=base, reason=reason)
