"""Whatever runs at once in a workspace: of every version, artifact, judge, metrics and settings belong together."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from data.contract import DataError
from data.intake.ingest import ingest
from data.sources.mapping import read_mapping
from data.typed_json import to_json
from serving.store.database.schema import scores
from serving.store.store import open_store
from settings_file import read_settings
from tests.forked import Forks
from tests.rounds import Rounds
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
    ("score", "--store", "sqlite:///store.db", "--config", "small.toml"),
    ("ingest", "--mapping", "simulated", "--events", "more.csv"),
)
TOLD = (
    "is at work in|is champion already|was trained for another target|another ingest|"
    "has changed while the training set was made|a newer ingest replaced"
)
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


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


def at_once(forks: Forks, root: Path, commands: list[tuple[str, ...]]) -> list[tuple[int, str]]:
    """Exit code and last line of the errors of commands that are started together."""
    errors = [root.with_name(f"errors-{place}") for place in range(len(commands))]
    words = [[*command, "--var", "."] for command in commands]
    started = [forks.start(arguments, root, file) for arguments, file in zip(words, errors, strict=True)]
    codes = [process.wait() for process in started]
    return [(code, (["", *file.read_text().splitlines()])[-1]) for code, file in zip(codes, errors, strict=True)]


def an_event_more(root: Path, number: int) -> None:
    """An export for the next ingest, of which nothing is known yet."""
    head = "event_id,lead_id,event_type,occurred_at,channel,value,received_at,source"
    row = f"new-{number},L0000000,page_view,2024-10-01T08:00:00Z,organic,,,web"
    (root / "more.csv").write_text(f"{head}\n{row}\n")


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
    known = list(versions(registry))
    wrong = [f"version {version.version}: {what}" for version in known for what in _misfits(registry, version)]
    return wrong + [
        f"scores of version {one}" for one in stored(root) - {(version.version, version.digest) for version in known}
    ]


def stored(root: Path) -> set[tuple[str, str]]:
    """Versions and digests of models that scores in the store name."""
    if not (root / "store.db").exists():
        return set()
    with open_store(f"sqlite:///{root / 'store.db'}") as store, store.database.read() as connection:
        rows = connection.execute(select(scores.c.model_version, scores.c.model_digest).distinct())
        return {(row.model_version, row.model_digest) for row in rows}


def _misfits(registry: Registry, version: Registered) -> Iterator[str]:
    manifest, judge = version.load().manifest, version.load_judge().manifest
    model, blind = manifest.trained_on, judge.trained_on
    if (blind.plan, blind.training_set, judge.target) != (model.plan, model.training_set, manifest.target):
        yield "judge of another training"
    with registry.tracking.opened() as mlflow:
        run, judged = mlflow.get_run(version.run_id).data, version.run_id
        while base := mlflow.get_run(judged).data.tags.get("base_run"):  # made from another version
            judged = base
        file = mlflow.artifacts.download_artifacts(run_id=judged, artifact_path="evaluation.json")
    evaluation = json.loads(Path(file).read_text())
    seed = "1" if model.plan == read_settings(registry.workspace / "seed.toml").training_plan.digest else "0"
    facts = {
        "digest": (run.tags["artifact_digest"], version.digest),
        "training set": (run.tags["training_set"], model.training_set),
        "horizon": (run.params["targets.conversion.horizon_days"], str(manifest.target.horizon_days)),
        "seed": (run.params["training.seed"], seed),
        "metrics": (run.metrics["log_loss"], evaluation["judgements"][0]["metrics"]["log_loss"]["value"]),
    }
    if judged == version.run_id:
        facts["judged"] = bins(evaluation), [] if manifest.judged is None else bins(to_json(manifest.judged))
    yield from (f"{what} {one!r} is not {other!r}" for what, (one, other) in facts.items() if one != other)


def bins(plain: dict[str, Any]) -> list[list[float]]:
    """How many rows were judged in each bin, and what was predicted for them."""
    return [[row["rows"], row["predicted"]] for row in plain["bins"]]


@pytest.mark.proof("lineage")
def test_whatever_runs_at_once_each_version_is_what_was_judged(
    root: Path, forks: Forks, rounds: Callable[..., Rounds]
) -> None:
    """In full two, three or four commands at once, 50 times in one workspace."""
    proof = rounds(cheap=1, full=ROUNDS)
    assert at_once(forks, root, [("publish", "--config", "small.toml")])[0][0] == 0
    for number in proof:
        rng = random.Random(number)
        commands = [*COMMANDS[1:3], COMMANDS[4]] if proof.count == 1 else rng.sample(COMMANDS, rng.randint(2, 4))
        an_event_more(root, number)
        ends = at_once(forks, root, commands)
        assert all(code == 0 or (code in (2, 3) and re.search(TOLD, line)) for code, line in ends), (commands, ends)
        assert any("is at work" not in line for _, line in ends), "who keeps others waiting is at work"
        assert misfits(root) == []
        proof.seen.update(commands=len(ends), done=sum(code == 0 for code, _ in ends))
    assert len(list(versions(Registry(root)))) > 1
    assert proof.seen["done"] >= proof.count


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
