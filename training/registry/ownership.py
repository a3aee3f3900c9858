"""Whose a registered model is: workspaces that share a tracking server do not take each other's champions."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from data.contract import DataError

OWNER = "leadscore.workspace"
"""The tag of a registered model that holds the id of the workspace that it belongs to."""
NOTE = "workspace.json"


def model_name(target: str, namespace: str = "") -> str:
    """The name of the registered model of a target.

    >>> model_name("conversion"), model_name("conversion", "shop")
    ('leadscore-conversion', 'leadscore-shop-conversion')
    """
    return "-".join(part for part in ("leadscore", namespace, target) if part)


def identity(workspace: Path) -> str | None:
    """The id of a workspace, which it keeps wherever it is moved; None for one that has trained nothing yet."""
    try:
        return str(json.loads((workspace / NOTE).read_text(encoding="utf-8"))["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made_identity(workspace: Path) -> str:
    """The id of a workspace, made when it has none."""
    if (known := identity(workspace)) is not None:
        return known
    made = uuid.uuid4().hex
    draft = workspace / f"{NOTE}.{os.getpid()}.draft"
    draft.write_text(json.dumps({"id": made}), encoding="utf-8")
    os.replace(draft, workspace / NOTE)
    return made


def check_owner(model: Any, workspace: Path, address: str) -> None:
    """Raises DataError when a registered model of MLflow's belongs to another workspace.

    A folder without histories of its own, as of a server that only scores, may read any: it belongs to no workspace.
    """
    owner, mine = model.tags.get(OWNER), identity(workspace)
    if owner is None or owner == mine or (mine is None and not (workspace / "log").exists()):
        return
    raise DataError(
        f"{model.name!r} at {address} belongs to another workspace ({owner[:8]}); give this one names of its own, "
        'such as namespace = "shop" in the settings'
    )
