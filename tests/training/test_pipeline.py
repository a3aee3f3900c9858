"""A run leaves behind all that is needed to understand and repeat it, and nothing about any person."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.training_set import TrainingSet
from training.facts import day
from training.measuring.metrics import MEASURES
from workspace import Workspace

PLOTS = ("reliability", "gains", "precision-recall", "scores", "what-if", "importances")


@pytest.fixture(scope="module")
def run(trained: Workspace) -> Any:
    """The champion's run as MLflow tells of it."""
    champion = trained.champion()
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        return mlflow.MlflowClient().get_run(champion.run_id)


@pytest.fixture(scope="module")
def artifacts(trained: Workspace, run: Any) -> Path:
    """All artifacts of the run."""
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        return Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=""))


def test_parameters_are_the_settings(trained: Workspace, run: Any) -> None:
    assert run.data.params["training.folds"] == "2"
    assert run.data.params["moments.every_days"] == "14"
    assert run.data.params["targets.conversion.horizon_days"] == "30"
    assert run.data.params["decided.model"] == "fixed"
    assert len(run.data.params) > 30


def test_metrics_are_the_runs_own_and_its_rivals_are_runs_below_it(trained: Workspace, run: Any) -> None:
    assert set(MEASURES) <= set(run.data.metrics)
    assert run.data.metrics["gain_over.base_rate"] > 0
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        below = mlflow.search_runs(
            [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'", output_format="list"
        )
    losses = {rival.info.run_name: rival.data.metrics["log_loss"] for rival in below}
    assert {"base rate", "logistic regression", "LightGBM defaults"} <= set(losses)
    assert losses["base rate"] - run.data.metrics["log_loss"] == pytest.approx(run.data.metrics["gain_over.base_rate"])


def test_lineage_leads_back_to_training_set_and_event_log(trained: Workspace, run: Any) -> None:
    made, log = TrainingSet.open(trained.training_set_path), trained.event_log()
    assert run.data.tags["training_set"] == made.digest
    assert run.data.tags["event_log"] == log.digest
    assert run.data.tags["artifact_digest"] == trained.champion().digest
    manifest = trained.champion().load().manifest
    assert manifest.trained_on.training_set == made.digest
    assert manifest.trained_on.moments == made.mature
    assert manifest.catalogue == made.recipe.catalogue


def test_plots_report_recipe_and_evaluation_are_in_the_run(artifacts: Path) -> None:
    for name in PLOTS:
        assert (artifacts / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (artifacts / "report" / "report.html").stat().st_size > 10_000
    assert "## Intended use" in (artifacts / "report" / "model_card.md").read_text()
    assert json.loads((artifacts / "recipe.json").read_text())["target"]["name"] == "conversion"
    evaluation = json.loads((artifacts / "evaluation.json").read_text())
    assert [judgement["name"] for judgement in evaluation["judgements"]][:2] == ["this model", "base rate"]


def test_signature_and_input_example_are_those_of_the_features(trained: Workspace) -> None:
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        info = mlflow.models.get_model_info(f"models:/{trained.model_name}@champion")
        example = mlflow.pyfunc.load_model(f"models:/{trained.model_name}@champion").input_example
    names = [feature.name for feature in trained.champion().load().manifest.features]
    assert info.signature.inputs.input_names() == names
    assert info.signature.outputs.input_names() == ["probability", "converts"]
    assert list(example.columns) == names
    assert len(example) > 0


def secrets(trained: Workspace) -> Iterator[bytes]:
    """Names, e-mail addresses and phone numbers of the simulated people."""
    with (trained.root / "demo" / "leads.csv").open(newline="") as file:
        for row in list(csv.DictReader(file))[::25]:
            yield from (row[name].encode() for name in ("full_name", "email", "phone") if row[name])


def test_no_file_of_the_workspace_holds_personal_data(trained: Workspace) -> None:
    files = [path for path in trained.root.rglob("*") if path.is_file() and "demo" not in path.parts]
    content = {path: path.read_bytes() for path in files}
    assert len(files) > 40
    wanted = list(set(secrets(trained)))
    assert len(wanted) > 60
    export = (trained.root / "demo" / "leads.csv").read_bytes()
    assert all(secret in export for secret in wanted)  # the search finds what is there
    leaks = {(path.name, secret) for path, text in content.items() for secret in wanted if secret in text}
    assert not leaks


def test_a_day_is_told_in_utc() -> None:
    assert day(1_700_000_000_000_000) == "2023-11-14"
