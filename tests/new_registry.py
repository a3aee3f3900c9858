"""Registries with no model yet, copied from one that MLflow's migrations have made: those take seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from training.registry.registry import Registry
from training.registry.tracking import OWN

NewRegistry = Callable[[Path], Registry]
"""Makes the registry of a workspace."""


def make(folder: Path) -> None:
    """Makes what others are copied from: asking for any model makes the tables."""
    Registry(folder).find("nothing")


def maker(template: Path) -> NewRegistry:
    """What copies it."""

    def new_registry(workspace: Path) -> Registry:
        workspace.mkdir(parents=True, exist_ok=True)
        shutil.copy(template / OWN, workspace)
        return Registry(workspace)

    return new_registry
