"""A run is what it was made as, or it is not registered; it appears whole, and no other run lends it its files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.contract import DataError, UsageError
from tests.artifacts import edit_manifest
from tests.new_registry import NewRegistry
from tests.runs import made_run
from training.registry.registry import Registry
from training.registry.run_folder import (
    ABOUT,
    RunFolder,
    find_run,
    note_registered,
    run_draft,
    run_ids,
    runs_path,
    sweep,
    unregistered,
)
from workspace import Workspace


@pytest.fixture
def run(trained: Workspace, new_registry: NewRegistry, tmp_path: Path) -> RunFolder:
    champion = trained.champion()
    new_registry(tmp_path)
    return made_run(tmp_path, champion.folder, champion.judge)


def other_run(run: RunFolder) -> RunFolder:
    """The run of another training: judge and model have changed places."""
    return made_run(run.path.parents[2], run.judge, run.model)


FAULTS: dict[str, Callable[[RunFolder], object]] = {
    "a booster of another run": lambda run: shutil.copy(run.judge / "booster-0.txt", run.model),
    "the model of another run": lambda run: shutil.copytree(run.judge, run.model, dirs_exist_ok=True),
    "another judge": lambda run: shutil.copytree(run.model, run.judge, dirs_exist_ok=True),
    "a sound manifest that is not the one": lambda run: edit_manifest(
        run.model, lambda plain: plain["trained_on"].update(moments=1)
    ),
    "a file more": lambda run: (run.model / "more.txt").write_text("x"),
    "a file less": lambda run: (run.judge / "booster-1.txt").unlink(),
    "other metrics": lambda run: (run.path / ABOUT).write_text(
        (run.path / ABOUT).read_text().replace('"metrics": {}', '"metrics": {"log_loss": 0.1}')
    ),
    "no run.json": lambda run: (run.path / ABOUT).unlink(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_as_it_was_made_is_not_registered(fault: str, run: RunFolder) -> None:
    registry = Registry(run.path.parents[2])
    FAULTS[fault](run)
    with pytest.raises(DataError, match=r"train again"):
        registry.publish("leadscore-conversion", run)
    assert registry.get("leadscore-conversion", "1") is None


def test_two_runs_keep_their_files_apart_whoever_registers_first(run: RunFolder) -> None:
    registry, other = Registry(run.path.parents[2]), other_run(run)
    assert other.path != run.path
    for made, number in ((other, "1"), (run, "2")):
        assert registry.publish("leadscore-conversion", made) == number
        registered = registry.get("leadscore-conversion", number)
        assert registered is not None
        assert (registered.digest, registered.judge_digest) == (made.about.model, made.about.judge)
        assert registered.load().features
        assert registered.load_judge().features
    with registry.tracking.opened() as mlflow:
        for registered in (registry.get("leadscore-conversion", number) for number in ("1", "2")):
            assert registered is not None
            assert mlflow.get_run(registered.run_id).data.tags["leadscore.run"] in (run.id, other.id)


def test_a_run_is_registered_once_however_often_it_is_asked(run: RunFolder) -> None:
    registry = Registry(run.path.parents[2])
    assert [registry.publish("leadscore-conversion", run) for _ in range(2)] == ["1", "1"]
    assert registry.get("leadscore-conversion", "2") is None


def test_the_same_content_is_the_same_run(run: RunFolder) -> None:
    assert made_run(run.path.parents[2], run.model, run.judge) == run
    assert run.path.name == run.id[:32]
    assert run_ids(run.path.parents[2], "conversion") == [run.path.name]


def test_a_draft_is_no_run_and_what_a_kill_leaves_goes(run: RunFolder) -> None:
    root = run.path.parents[2]
    left = runs_path(root, "conversion") / "draft-killed"
    shutil.copytree(run.path, left)
    with run_draft(root, "conversion") as draft:
        assert run_ids(root, "conversion") == [run.path.name]
    assert not draft.exists()
    sweep(root)
    assert os.listdir(runs_path(root, "conversion")) == [run.path.name]


def test_a_run_is_named_by_its_beginning(run: RunFolder) -> None:
    root = run.path.parents[2]
    assert find_run(root, "conversion", run.id[:12]) == run
    for name in ("", "zz", "../x"):
        with pytest.raises(UsageError, match=rf"0 runs of 'conversion' begin with '{name}'; there are {run.id[:12]}"):
            find_run(root, "conversion", name)


def test_registered_runs_go_when_another_one_is_and_others_stay(run: RunFolder) -> None:
    root, other = run.path.parents[2], other_run(run)
    assert unregistered(root, "conversion") == run_ids(root, "conversion")
    note_registered(run, "1")
    assert unregistered(root, "conversion") == [other.path.name]
    note_registered(other, "2")
    assert run_ids(root, "conversion") == [other.path.name]
    assert unregistered(root, "conversion") == []
