"""A chain of two small models on the workshop's log: sales accepts a lead by meeting it, and then the deal is won."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.scoring.served_model import ServedModel
from settings import Settings
from tests.artifacts import TRAINED_ON
from tests.serving.workshop import Workshop, shifted
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample
from workspace import Workspace

ACCEPTED = {"events": ["meeting", "deal_won"], "closed_by": ["deal_lost"]}
WON = {"events": ["deal_won"], "closed_by": ["deal_lost"]}
CHAIN: dict[str, Any] = {
    "chain": ["sql_accepted", "conversion"],
    "targets": {"sql_accepted": ACCEPTED, "conversion": WON},
    "training": {"folds": 2, "max_rounds": 30, "learning_rate": 0.1, "model": "fixed", "twin": "no"},
    "moments": {"every_days": 14},
}


def train_accepted(workshop: Workshop, folder: Path) -> None:
    """Writes model/, the artifact of a model of who is accepted by sales."""
    workspace = Workspace(folder, workshop.log, Settings.model_validate(CHAIN)).aimed_at("sql_accepted")
    training_set = workspace.build()
    fitted = fit_champion(read_sample(training_set), workspace.settings.training_plan)
    trained_on = replace(TRAINED_ON, converted_leads=200)
    write_artifact(folder / "model", fitted.model, training_set.recipe, fitted.thresholds, fitted.evidence, trained_on)


def swapped(steps: dict[str, Path], folder: Path, number: int) -> dict[str, Path]:
    """Other models of both targets: no two swaps have a model in common."""
    return {name: shifted(artifact, folder / f"{number}-{name}", 0.05 * number) for name, artifact in steps.items()}


def chained(artifacts: dict[str, Path]) -> ServedModel:
    """What serves when all of these are in place."""
    loaded = {name: ServedModel.load(path, f"leadscore-{name}", "1") for name, path in artifacts.items()}
    return loaded["conversion"].in_chain(list(loaded.values()))
