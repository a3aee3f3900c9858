"""With which code and which libraries a model is made."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("leadscore", "lightgbm", "numpy")
"""Those whose version may change a model."""


def versions() -> dict[str, str]:
    """Versions of leadscore, of the libraries that a model depends on, and of Python without its last number."""
    return {name: _version(name) for name in PACKAGES} | {"python": ".".join(platform.python_version_tuple()[:2])}


def code() -> dict[str, str]:
    """The git commit of the code that runs, and whether files differ from it; empty where it lies in no repository.

    An installed package that happens to lie below somebody else's repository is not of that repository's commit.
    """
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != ROOT:
        return {}
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": "yes" if changes else "no"} if commit else {}


def _git(*words: str) -> str | None:
    """What git answers, None where it cannot."""
    try:
        output = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return output.stdout.strip()


def _version(package: str) -> str:
    """The version that is installed; a checkout that was never installed has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
