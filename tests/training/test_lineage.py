"""Whatever runs at once in a workspace: of every version, artifact, judge, metrics and settings belong together."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from data.contract import DataError
from data.intake.ingest import ingest
from data.sources.mapping import read_mapping
from data.typed_json import to_json
from settings import read_settings
from tests.conftest import REPOSITORY
from tests.training.test_moved_workspace import NAME, copy
from training.registry.registered import Registered
from training.registry.registry import Registry
from workspace import Workspace

ROUNDS = 50
HORIZON = '[targets.conversion]\nevents = ["deal_won"]\nclosed_by = ["deal_lost"]\nhorizon_days = 45\n\n[moments]'
SETTINGS = {"seed": ("folds = 2", "folds = 2\nseed = 1"), "horizon": ("[moments]", HORIZON)}
"""Files of settings beside the small ones, and what is replaced in those."""
COMMANDS = (
    ("train", "--config", "small.toml"),
    ("train", "--config", "seed.toml"),
    ("train", "--config", "horizon.toml"),
    ("recalibrate", "--config", "small.toml"),
    ("thresholds", "set", "SQL", "--per-week", "3", "--config", "small.toml"),
    ("promote", "1", "--config", "small.toml"),
    ("score", "--out", "scores.csv", "--config", "small.toml"),
)
TOLD = "is at work in|is champion already|was trained for another target"
"""What a command that cannot be followed may say."""


@pytest.fixture
def root(trained: Workspace, tmp_path: Path) -> Path:
    """A workspace with settings beside the small ones."""
    root = copy(trained, tmp_path / "var")
    small = (root / "small.toml").read_text()
    for name, (before, after) in SETTINGS.items():
        assert before in small
        (root / f"{name}.toml").write_text(small.replace(before, after))
    return root


def at_once(root: Path, commands: list[tuple[str, ...]]) -> list[tuple[int, str]]:
    """Exit code and last line of the errors of commands that are started together."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen(
            [sys.executable, str(REPOSITORY / "leadscore.py"), *words, "--var", "."],
            cwd=root,
            env=environment,
            **pipes,
        )
        for words in commands
    ]
    errors = [process.communicate()[1].splitlines() for process in started]
    return [(process.returncode, (lines or [""])[-1]) for process, lines in zip(started, errors, strict=True)]


def versions(registry: Registry) -> Iterator[Registered]:
    """All registered versions."""
    for number in count(1):
        version = registry.get(NAME, str(number))
        if version is None:
            return
        yield version


def misfits(root: Path) -> list[str]:
    """What does not belong together, of all versions that are registered."""
    registry = Registry(root)
    return [f"version {each.version}: {what}" for each in versions(registry) for what in _misfits(registry, each)]


def _misfits(registry: Registry, version: Registered) -> Iterator[str]:
    manifest, judge = version.load().manifest, version.load_judge().manifest
    model, blind = manifest.trained_on, judge.trained_on
    if (blind.plan, blind.training_set, judge.target) != (model.plan, model.training_set, manifest.target):
        yield "judge of another training"
    with registry.tracking.opened() as mlflow:
        run = mlflow.get_run(version.run_id).data
        if not run.params:  # made from another version
            return
        file = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path="evaluation.json")
    evaluation = json.loads(Path(file).read_text())
    seed = "1" if model.plan == read_settings(registry.workspace / "seed.toml").training_plan.digest else "0"
    facts = {
        "digest": (run.tags["artifact_digest"], version.digest),
        "training set": (run.tags["training_set"], model.training_set),
        "horizon": (run.params["targets.conversion.horizon_days"], str(manifest.target.horizon_days)),
        "seed": (run.params["training.seed"], seed),
        "metrics": (run.metrics["log_loss"], evaluation["judgements"][0]["metrics"]["log_loss"]["value"]),
        "judged": (bins(evaluation), [] if manifest.judged is None else bins(to_json(manifest.judged))),
    }
    yield from (f"{what} {one!r} is not {other!r}" for what, (one, other) in facts.items() if one != other)


def bins(plain: dict[str, Any]) -> list[list[float]]:
    """How many rows were judged in each bin, and what was predicted for them."""
    return [[row["rows"], row["predicted"]] for row in plain["bins"]]


@pytest.mark.proof("lineage")
def test_whatever_runs_at_once_each_version_is_what_was_judged(root: Path, full: bool) -> None:
    rng = random.Random(1)
    rounds = [[*COMMANDS[1:3], COMMANDS[4]]]
    if full:
        rounds = [rng.sample(COMMANDS, rng.randint(2, 4)) for _ in range(ROUNDS)]
    for commands in rounds:
        ends = at_once(root, commands)
        assert all(code == 0 or (code in (2, 3) and re.search(TOLD, line)) for code, line in ends), (commands, ends)
        assert any(code == 0 for code, _ in ends) or not any("is at work" in line for _, line in ends)
        assert misfits(root) == []
    assert len(list(versions(Registry(root)))) > 1


def test_a_version_under_the_metrics_of_another_run_is_noticed(root: Path) -> None:
    """As two trainings left it that shared their folders."""
    champion, registry = Registry(root).champion(NAME), Registry(root)
    assert misfits(root) == []
    with registry.tracking.opened() as mlflow:
        mlflow.MlflowClient().set_tag(champion.run_id, "artifact_digest", champion.judge_digest)
    assert misfits(root) == [f"version 1: digest {champion.judge_digest!r} is not {champion.digest!r}"]


def test_a_log_that_changes_under_a_training_set_leaves_none(root: Path) -> None:
    """Half of its rows would be of another log than the one whose digest it bears."""
    workspace, more = Workspace.open(root, root / "horizon.toml"), root / "more.csv"
    head = "event_id,lead_id,event_type,occurred_at,channel,value,received_at,source\n"
    more.write_text(f"{head}new,L0000000,page_view,2024-10-01T08:00:00Z,organic,,,web\n")

    def ingests(done: int, of: int) -> None:
        if done == 1:
            ingest(root / "log", read_mapping("simulated"), [str(more)])

    with pytest.raises(DataError, match="has changed while the training set was made; run it again"):
        workspace.build(progress=ingests)
    assert not workspace.training_set_path.exists()
    assert workspace.build().recipe.log_digest == workspace.event_log().digest
