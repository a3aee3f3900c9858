"""The command that shows the main job end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.histories import features, ingest, simulate
from commands.models import tell_truth, train
from commands.options import VAR, Quiet, Var, workspace_of
from commands.scores import score
from console import Screen

DEMO = Path(__file__).parents[1] / "leadscore.toml"


def demo(
    leads: Annotated[int, typer.Option(min=3_000)] = 6_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    var: Var = VAR,
    quiet: Quiet = False,
) -> None:
    """The main job end to end, on a simulated funnel: histories, training set, model, thresholds, scored leads."""
    screen, workspace = Screen(quiet), workspace_of(var, DEMO)
    folder, config = var / "demo", DEMO
    if not (folder / "funnel.json").exists():
        simulate(folder, leads, seed, quiet=quiet)
    ingest("simulated", [str(folder / "events.csv")], [str(folder / "leads.csv")], var, quiet=quiet)
    features(config, var, quiet=quiet)
    if workspace.champion_is_fresh():
        screen.say("the champion was trained on exactly this training set; it is kept")
    else:
        train(config, var, quiet=quiet)
    tell_truth(screen, workspace.beside_truth(folder / "truth.parquet"))
    score(var / "scores.csv", config, var, quiet=quiet)
    screen.tell("\nwhere to look next")
    screen.tell(f"  report   {var / 'reports' / 'conversion' / 'report.html'}\n  scores   {var / 'scores.csv'}")
    screen.tell(f"  MLflow   .venv/bin/mlflow ui --backend-store-uri {workspace.registry.address}")
