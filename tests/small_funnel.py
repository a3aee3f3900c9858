"""A small simulated funnel with a trained champion."""

from __future__ import annotations

from pathlib import Path

from data.intake.ingest import ingest
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from training.pipeline import train_and_register
from training.run_report import Telling
from workspace import Workspace

SETTINGS = """
[moments]
every_days = 14

[training]
folds = 2
max_rounds = 60
fewest_converted = 10
model = "fixed"
twin = "no"

[thresholds.mql]
precision = 0.03

[thresholds.sql]
precision = 0.4
"""
"""Under these a small funnel trains in seconds."""


def train_in(root: Path) -> None:
    """Makes the workspace: demo/ holds the exports, small.toml the settings."""
    made = simulate(root / "demo", FunnelOptions(leads=1_500, seed=1, days=300))
    ingest(root / "log", read_mapping("simulated"), [str(made.events)], [str(made.leads)], buckets=4)
    (root / "small.toml").write_text(SETTINGS)
    workspace = opened(root)
    settings = workspace.settings
    plain, observed = settings.model_dump(mode="json"), workspace.event_log().watermarks.observed
    train_and_register(
        workspace.build(), settings.training_plan, workspace.registry, plain, telling=Telling(observed=observed)
    )


def opened(root: Path) -> Workspace:
    """The workspace that was made there."""
    return Workspace.open(root, root / "small.toml")
