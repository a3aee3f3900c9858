"""The model that `make demo` has left, to measure with."""

from __future__ import annotations

from pathlib import Path

from training.registry.run_folder import MODEL, run_ids, runs_path


def demo_model(var: Path = Path("var")) -> str:
    """The artifact of the newest run below a workspace; a folder that is not there where there is none."""
    newest = (run_ids(var, "conversion") or ["none"])[-1]
    return str(runs_path(var, "conversion") / newest / MODEL)
