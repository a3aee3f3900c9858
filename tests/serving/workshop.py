"""A small log and artifacts of small models, made once for all tests of the server."""

from __future__ import annotations

import fcntl
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from data.log.eventlog import EventLog
from data.log.ingest import ingest
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from settings import Settings
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact, write_manifest
from training.samples.sample import read_sample
from workspace import Workspace


@dataclass(frozen=True)
class Workshop:
    """log: event log of a simulated funnel. artifact: a model of it. other: the same trees, other probabilities."""

    log: Path
    artifact: Path
    other: Path


def made(folder: Path) -> Workshop:
    """The workshop in a folder; whoever comes first makes it, others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    shop = Workshop(folder / "log", folder / "artifact", folder / "other")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _make(folder, shop)
            (folder / "done").touch()
    return shop


def _make(folder: Path, shop: Workshop) -> None:
    simulate(folder / "funnel", FunnelOptions(leads=700, seed=3, days=300))
    events, leads = ([str(folder / "funnel" / name)] for name in ("events.csv", "leads.csv"))
    ingest(shop.log, read_mapping("simulated"), events, leads)
    settings = Settings.model_validate({"training": {"folds": 2, "max_rounds": 60, "learning_rate": 0.1}})
    workspace = Workspace(folder, shop.log, settings)
    training_set = workspace.build()
    sample = read_sample(training_set)
    fitted = fit_champion(sample, settings.training_plan)
    trained_on = {"from": "2024-01-01", "to": "2024-12-31", "to_us": 0, "moments": 9, "leads": 7, "converted": 1}
    found = (fitted.model, training_set.recipe, fitted.thresholds, fitted.evidence, trained_on, fitted.grounds)
    write_artifact(shop.artifact, *found)
    shifted(shop.artifact, shop.other, 0.7)


def shifted(artifact: Path, out: Path, by: float) -> Path:
    """A copy whose log-odds are all shifted: another model, and as good an artifact."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(artifact, out)
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    about["calibrator"]["c"] += by
    write_manifest(out, about)
    return out


def log_of(shop: Workshop) -> EventLog:
    """The event log."""
    return EventLog.open(shop.log)
