"""A training as MLflow's pages and functions show it: open while it runs, whose code, what data, how it ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.contract import DataError
from training.pipeline import train_and_register
from training.registry import provenance
from workspace import Workspace


@pytest.fixture(scope="module")
def client(trained: Workspace) -> Any:
    with trained.registry.tracking.opened() as mlflow:
        return mlflow.MlflowClient()


@pytest.fixture(scope="module")
def run(trained: Workspace, client: Any) -> Any:
    return client.get_run(trained.champion().run_id)


def test_it_is_open_from_the_first_stage_and_told_when_it_fails(trained: Workspace, tmp_path: Path) -> None:
    shutil.copy(trained.root / "mlflow.db", tmp_path)
    again = Workspace(tmp_path, trained.log_path, trained.settings)
    made, plan = again.build(), trained.settings.training_plan
    states: list[str] = []

    def newest() -> Any:
        with again.registry.tracking.opened() as mlflow:
            runs = mlflow.search_runs(search_all_experiments=True, output_format="list", max_results=1)
            return runs[0].info

    def look(stage: str) -> None:
        if stage.startswith("fitting the judge"):
            states.append(newest().status)
            raise DataError("the disk is full")

    with pytest.raises(DataError, match="disk is full"):
        train_and_register(made, plan, again.registry, {}, say=look)
    ended = newest()
    assert (states, ended.status, ended.run_name[:10]) == (["RUNNING"], "FAILED", "conversion")


def test_its_duration_is_that_of_the_training(run: Any) -> None:
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time > 1_000, "in milliseconds; logging alone takes less"


def test_it_shows_how_the_log_loss_fell_with_each_tree_and_what_the_machine_gave(run: Any, client: Any) -> None:
    curve = client.get_metric_history(run.info.run_id, "learning.log_loss")
    values = [point.value for point in sorted(curve, key=lambda point: point.step)]
    assert 10 < len(values) <= 60
    assert min(point.step for point in curve) == 1
    assert values[-1] < values[0], "trees teach something about leads that they did not see"
    assert run.data.metrics["system/cpu_seconds"] > 0
    assert run.data.metrics["system/peak_memory_megabytes"] > 100


def test_it_shows_what_more_data_brought_by_the_share_of_the_leads(run: Any, client: Any) -> None:
    curve = client.get_metric_history(run.info.run_id, "learning.log_loss_by_share")
    points = sorted((point.step, point.value) for point in curve)
    assert points[-1][0] == 100
    assert {step for step, _ in points} <= {12, 25, 50, 100}
    assert all(0 < value < 1 for _, value in points)


def test_it_names_code_versions_and_what_the_model_is(run: Any, trained: Workspace) -> None:
    tags = run.data.tags
    assert {f"version.{name}" for name in provenance.versions()} <= set(tags)
    assert trained.champion().load().manifest.trained_on.versions == provenance.versions()
    code = provenance.code()
    assert {name: tags.get(name) for name in code} == code
    assert tags.get("mlflow.source.git.commit") == code.get("git_commit")
    assert tags["mlflow.source.name"] == "leadscore train"
    assert "how likely it is that a lead reaches deal_won" in tags["mlflow.note.content"]


def test_the_logged_model_is_described_as_its_run_is(run: Any, client: Any) -> None:
    (made,) = run.outputs.model_outputs
    assert client.get_logged_model(made.model_id).tags["mlflow.note.content"] == run.data.tags["mlflow.note.content"]


def test_a_package_below_somebody_elses_repository_is_not_of_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", provenance.ROOT / "training")
    assert provenance.code() == {}
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.code() == {}


def test_what_it_learnt_from_and_was_judged_on_are_data_sets(run: Any) -> None:
    sets = {made.dataset.name: made for made in run.inputs.dataset_inputs}
    assert set(sets) == {"to learn from", "to judge on"}
    tags = {tag.key: tag.value for tag in sets["to judge on"].tags}
    assert tags["mlflow.data.context"] == "evaluation"
    assert tags["training_set"] == run.data.tags["training_set"]
    assert int(tags["moments"]) > int(tags["converted"]) > 0
    assert len({made.dataset.digest for made in sets.values()}) == 2


def test_its_tables_can_be_read_as_tables(trained: Workspace, run: Any) -> None:
    with trained.registry.tracking.opened() as mlflow:
        mlflow.set_experiment(trained.model_name)  # it looks among the runs of the one that was set last
        bands, features = (
            mlflow.load_table(f"tables/{name}.json", run_ids=[run.info.run_id]) for name in ("bands", "importances")
        )
        profile, months = (
            mlflow.load_table(f"tables/{name}.json", run_ids=[run.info.run_id]) for name in ("features", "months")
        )
    assert {"missing", "missing_now", "psi", "moved"} <= set(profile.columns)
    assert len(profile) == len(features)
    assert months["moments"].sum() > months["converted"].sum() > 0
    assert {"predicted", "observed_value", "leads"} <= set(bands.columns)
    assert features["share"].sum() == pytest.approx(1)


def test_report_and_card_say_which_version_they_are_of(trained: Workspace, client: Any, run: Any) -> None:
    folder = Path(client.download_artifacts(run.info.run_id, "report"))
    for text in (folder / "report.html", folder / "model_card.md", trained.report_path / "report.html"):
        assert "Version 1, champion: the first model" in text.read_text(encoding="utf-8")
    version = client.get_model_version(trained.model_name, "1")
    assert version.description.startswith("champion: the first model")


def test_the_report_is_one_file_of_no_more_than_three_megabytes_that_tells_of_its_data(trained: Workspace) -> None:
    page = trained.report_path / "report.html"
    assert page.stat().st_size < 3_000_000
    text = page.read_text(encoding="utf-8")
    for told in ("Would more data help?", "What it rests on", "Where events come from", "outcome known"):
        assert told in text


def test_the_model_takes_its_own_training_data_in_whatever_types(trained: Workspace, client: Any) -> None:
    features = trained.frame().X.head(200)
    numbers = features.select_dtypes("number").columns
    with trained.registry.tracking.opened() as mlflow:
        model = mlflow.pyfunc.load_model(f"models:/{trained.model_name}/1")
    said = model.predict(features)["probability"]
    whole = features.astype({name: "Int64" for name in numbers if (features[name].dropna() % 1 == 0).all()})
    np.testing.assert_array_equal(model.predict(whole)["probability"], said)
    one_missing = features.drop(columns=features.columns[0])
    assert len(model.predict(one_missing)) == len(features), "what is missing is missing, as in a lead's history"


@pytest.mark.filterwarnings("ignore")
def test_mlflow_evaluates_it_as_a_classifier(trained: Workspace) -> None:
    features = trained.frame().X.head(300)
    texts = features.astype(dict.fromkeys(features.select_dtypes("category"), object))  # MLflow knows no categories
    data = texts.assign(converted=np.arange(300) % 2)
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        model = mlflow.pyfunc.load_model(f"models:/{trained.model_name}/1")
        result = mlflow.models.evaluate(
            lambda rows: model.predict(rows, params={"threshold": 0.05})["converts"],
            data,
            targets="converted",
            model_type="classifier",
        )
    assert 0 <= result.metrics["accuracy_score"] <= 1
