"""A small log and artifacts of small models, for all tests of the server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from settings import Settings
from tests.artifacts import TRAINED_ON
from tests.new_store import migrated_sqlite
from training.artifact.loaded_model import read_artifact
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact, write_manifest
from training.samples.sample import read_sample
from workspace import Workspace


@dataclass(frozen=True)
class Workshop:
    """log: event log of a simulated funnel. artifact: a model of it. other: the same trees, other probabilities.

    store: the file of a new store, to copy.
    """

    log: Path
    artifact: Path
    other: Path
    store: Path


def shop_in(folder: Path) -> Workshop:
    """The workshop that was made in a folder."""
    return Workshop(folder / "log", folder / "artifact", folder / "other", folder / "store.db")


def make(folder: Path) -> None:
    """Makes the workshop in a folder."""
    shop = shop_in(folder)
    simulate(folder / "funnel", FunnelOptions(leads=700, seed=3, days=300))
    events, leads = ([str(folder / "funnel" / name)] for name in ("events.csv", "leads.csv"))
    ingest(shop.log, read_mapping("simulated"), events, leads)
    training = {"folds": 2, "max_rounds": 60, "learning_rate": 0.1, "model": "fixed", "twin": "no"}
    promises = {"mql": {"precision": 0.15}, "sql": {"precision": 0.4}}
    settings = Settings.model_validate({"training": training, "thresholds": promises})
    workspace = Workspace(folder, shop.log, settings)
    training_set = workspace.build()
    sample = read_sample(training_set)
    fitted = fit_champion(sample, settings.training_plan)
    write_artifact(
        shop.artifact,
        fitted.model,
        training_set.recipe,
        fitted.thresholds,
        fitted.evidence,
        TRAINED_ON,
        fitted.grounds,
    )
    shifted(shop.artifact, shop.other, 0.7)
    migrated_sqlite(shop.store)


def shifted(artifact: Path, out: Path, by: float) -> Path:
    """A copy whose log-odds are all shifted: another model, and as good an artifact."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(artifact, out)
    manifest, _ = read_artifact(out)
    calibrator = replace(manifest.calibrator, c=manifest.calibrator.c + by)
    write_manifest(out, replace(manifest, calibrator=calibrator))
    return out


def log_of(shop: Workshop) -> EventLog:
    """The event log."""
    return EventLog.open(shop.log)
