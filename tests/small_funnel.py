"""A small simulated funnel with a trained champion, made once for all processes that run tests."""

from __future__ import annotations

import fcntl
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


def trained_in(base: Path) -> Workspace:
    """The workspace BASE/trained, made unless it is there; holds demo/ (the exports) and small.toml (the settings)."""
    root, config, done = base / "trained", base / "trained" / "small.toml", base / "trained" / "done"
    with (base / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _train(root, config)
            done.touch()
    return Workspace.open(root, config)


def _train(root: Path, config: Path) -> None:
    made = simulate(root / "demo", FunnelOptions(leads=1_500, seed=1, days=300))
    ingest(root / "log", read_mapping("simulated"), [str(made.events)], [str(made.leads)], buckets=4)
    config.write_text(SETTINGS)
    workspace = Workspace.open(root, config)
    settings = workspace.settings
    plain, observed = settings.model_dump(mode="json"), workspace.event_log().watermarks.observed
    train_and_register(
        workspace.build(), settings.training_plan, workspace.registry, plain, telling=Telling(observed=observed)
    )
