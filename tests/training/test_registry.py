"""Models are registered under aliases with a reason, in the user's store, and nothing changed is ever loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.contract import DataError, UsageError
from features.training_set import TrainingSet
from tests.artifacts import edit_manifest
from tests.new_registry import NewRegistry
from training.champion_choice import compare_with_champion
from training.pipeline import train_and_register
from training.recipe.train import judged_as, split_by_time
from training.registry.parameters import flat
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.samples.sample import read_sample
from workspace import Workspace


def test_the_first_good_model_is_champion_with_the_reason(trained: Workspace) -> None:
    with trained.registry.experiment("inspection").run("inspection") as mlflow:
        version = mlflow.MlflowClient().get_model_version_by_alias(trained.model_name, CHAMPION)
    assert str(version.version) == "1"
    assert version.tags["reason"].startswith("the first model, better than the base rate")
    assert trained.registry.find(trained.model_name, CHALLENGER) is None


def test_a_name_that_is_not_registered_is_none_and_no_champion_says_what_to_do(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.find("leadscore-nothing") is None
    with pytest.raises(DataError, match=r"no champion for 'leadscore-nothing'.*run `leadscore train` first"):
        registry.champion("leadscore-nothing")


def test_two_workspaces_of_one_process_do_not_see_each_other(
    trained: Workspace, new_registry: NewRegistry, tmp_path: Path
) -> None:
    other = new_registry(tmp_path)
    assert other.find(trained.model_name) is None
    assert trained.champion().version == "1"
    assert other.find(trained.model_name) is None
    assert Registry(tmp_path).uri.endswith(f"{tmp_path}/mlflow.db")


def test_the_users_tracking_uri_is_respected(
    trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.registry.uri)
    assert Registry(tmp_path).champion(trained.model_name).version == "1"
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_a_file_store_is_refused(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UsageError, match="is a file store; give a database or server URI"):
        Registry(tmp_path).find("any")


def test_a_password_in_the_uri_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ml:s3cret@db.example/mlflow")
    assert Registry(tmp_path).address == "postgresql://ml:***@db.example/mlflow"


def test_a_store_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1_000)
    with pytest.raises(DataError, match=r"MLflow at sqlite:.*cannot do that") as error:
        Registry(tmp_path).find("any")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("part", ["model", "judge"])
def test_a_manifest_changed_after_registration_is_refused(part: str, trained: Workspace, tmp_path: Path) -> None:
    """Its hashes may all be right: the digest that the registry noted is not."""
    champion = trained.champion()
    folder = Path(shutil.copytree(champion.folder if part == "model" else champion.judge, tmp_path / part))
    changed = type(champion)(**{**vars(champion), "folder": folder, "judge": folder})
    load = changed.load if part == "model" else changed.load_judge
    assert load().features
    edit_manifest(folder, lambda plain: plain["trained_on"].update(moments=1))
    with pytest.raises(DataError, match="is not the one that was registered"):
        load()
    (folder / "booster-0.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"booster-0.txt is damaged.*train again"):
        load()


def test_a_rival_that_is_worse_stays_challenger_and_one_as_good_takes_over(trained: Workspace) -> None:
    champion, plan = trained.champion(), trained.settings.training_plan
    split = split_by_time(read_sample(TrainingSet.open(trained.training_set_path)), plan)
    # The champion's judge has not learnt from the slice: it is a fair rival.
    y, weight = split.judged.y, split.judged.weight
    careless = judged_as(split, 0.5 + 0 * y, {"base rate": 0.1 + 0 * y})
    decision = compare_with_champion(champion, careless)
    assert decision.alias == CHALLENGER
    assert "log-loss of version 1 minus the new one's on the same moments: -" in decision.reason
    assert decision.measured["against_version.gain_high"] < 0
    assert "Log-Loss der Version 1 minus den der neuen an denselben Zeitpunkten: -0," in decision.told["de"]
    oracle = judged_as(split, 0.01 + 0.98 * y, {"base rate": 0.1 + 0 * y})
    assert compare_with_champion(champion, oracle).alias == CHAMPION
    assert weight.sum() > 100


def test_the_same_data_and_settings_on_one_thread_give_the_same_bytes_and_no_new_version(
    trained: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained.root / "mlflow.db", tmp_path)  # its artifacts stay where they are, and are only read
    settings = trained.settings.model_copy(update={"jobs": 1})
    again = Workspace(tmp_path, trained.log_path, settings)
    plain = settings.model_dump(mode="json")
    outcome = train_and_register(again.build(), settings.training_plan, again.registry, plain)
    champion = trained.champion()
    (made,) = (tmp_path / "runs" / "conversion").glob("*/")
    assert content(made / "model") == content(champion.folder)
    assert content(made / "judge") == content(champion.judge)
    assert outcome.digest == champion.digest
    assert (outcome.version, outcome.alias) == ("1", CHAMPION)
    assert "byte for byte" in outcome.decision
    assert capfd.readouterr() == ("", "")  # neither MLflow nor its migrations talk to the user's terminal


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_nested_settings_become_dotted_parameters() -> None:
    assert flat({"a": {"b": [1, 2], "c": "x"}, "d": None}) == {"a.b": "[1, 2]", "a.c": "x", "d": "null"}
    assert len(flat({"long": "x" * 9_000})["long"]) == 500


def test_names_that_mlflow_does_not_take_as_keys_are_written_in_those_that_it_takes(
    new_registry: NewRegistry, tmp_path: Path
) -> None:
    names = ["Umsatz, EUR", "Phase: neu", 'a"b', "Käufe (Q1)", "../../escape", "a/../b"]
    with new_registry(tmp_path).experiment("names").run("names") as mlflow:
        mlflow.log_params(flat({"targets": {name: {"days": place} for place, name in enumerate(names)}}))
        run = mlflow.active_run().info.run_id
    with Registry(tmp_path).tracking.opened() as mlflow:
        assert sorted(mlflow.get_run(run).data.params.values()) == list("012345")
