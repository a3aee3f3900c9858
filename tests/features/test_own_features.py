"""A feature that is a function of the user's own sees what was known then, and is a column like others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from data.contract import DataError, UsageError
from data.own_functions import own_function
from features.own_features import own_columns
from features.training_set import TrainingSet
from serving.champion.manual_promotion import promote
from serving.trees.predictor import Predictor
from tests.features.leads import START, histories_of, moments_of
from tests.new_registry import NewRegistry
from tests.oracles.features_naive import Event, Lead
from training.artifact.manifest import Manifest
from training.backtesting.origins import LogTimeline
from training.pipeline import train_and_register
from training.registry.registry import CHALLENGER
from workspace import Workspace

MINE = '''
def seen(history):
    """As the kernel has it: count_any_ever."""
    return len(history.events)


def days_since_last(history):
    return min(((history.as_of - event.occurred_at).total_seconds() / 86_400 for event in history.events), default=None)


def latest_known(history):
    assert all(event.known_at < history.as_of for event in history.events)
    return None


def broken(history):
    return history.profile["no_such"] + len(history.events)


def text(history):
    return "many"
'''


def having(trained: Workspace, tmp_path: Path, *names: str) -> Workspace:
    """A workspace beside the trained one, with these functions as features."""
    (tmp_path / "mine.py").write_text(MINE)
    own = ", ".join(f'"mine.py:{name}"' for name in names)
    (tmp_path / "own.toml").write_text((trained.root / "small.toml").read_text() + f"\n[features]\nown = [{own}]\n")
    root = tmp_path / "var"
    root.mkdir(exist_ok=True)
    return Workspace.open(root, tmp_path / "own.toml", trained.log_path)


@pytest.fixture(scope="module")
def tried(trained: Workspace, new_registry: NewRegistry, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose training set holds three such columns, with no model yet."""
    workspace = having(trained, tmp_path_factory.mktemp("own"), "seen", "days_since_last", "latest_known")
    new_registry(workspace.root)
    workspace.build()
    return workspace


def test_it_is_handed_what_the_kernel_sees_and_nothing_later(tried: Workspace) -> None:
    """The kernel is the naive loop's equal; the same counts by plain Python say that it was handed the same events."""
    table = TrainingSet.open(tried.training_set_path).read()
    assert table.column("seen").to_pylist() == table.column("count_any_ever").to_pylist()
    mine, theirs = (table.column(name).to_pandas() for name in ("days_since_last", "recency_any"))
    assert mine.notna().sum() > 1_000
    assert (mine.isna() == theirs.isna()).all()
    assert (mine - theirs).abs().max() < 1e-3
    assert table.column("latest_known").to_pandas().isna().all()


def test_without_any_no_history_is_laid_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def nothing(history):\n    return None\n")
    leads = [Lead("A", [Event(START, START, "order")], [])]
    arguments = histories_of(leads), moments_of(leads, [START + 1])
    monkeypatch.setattr("features.own_features._Lives", None)
    assert own_columns([], *arguments) == {}
    with pytest.raises(TypeError):
        own_columns([own_function("mine.py:nothing", tmp_path)], *arguments)


def test_it_is_told_of_campaigns_and_assets(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def spring(history):\n"
        "    return sum(e.campaign == 'spring' and e.asset is None and e.channel is None for e in history.events)\n"
    )
    events = [Event(START, START, "order", campaign="spring"), Event(START, START, "order", asset="paper")]
    leads = [Lead("A", [], []), Lead("L", [events[0], *events], [])]
    own = own_function("mine.py:spring", tmp_path)
    columns = own_columns([own], histories_of(leads), moments_of(leads, [START + 1]))
    assert columns["spring"].to_pylist() == [0.0, 2.0]


def test_other_code_is_another_training_set(tried: Workspace, trained: Workspace) -> None:
    recipe = TrainingSet.open(tried.training_set_path).recipe
    plain = TrainingSet.open(trained.training_set_path).recipe
    assert recipe.digest != plain.digest == replace(recipe, own=()).digest
    assert [function["name"] for function in json.loads(json.dumps(recipe.to_json()))["own"]] == [
        "mine.py:seen",
        "mine.py:days_since_last",
        "mine.py:latest_known",
    ]


@pytest.mark.parametrize(("name", "message"), [("broken", r"line 17 .*KeyError"), ("text", "TypeError")])
def test_a_broken_one_names_file_line_and_row_and_no_lead(
    name: str, message: str, trained: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message) as failed:
        having(trained, tmp_path, name).build()
    assert "in row " in str(failed.value)
    assert "L0000" not in str(failed.value)


def test_a_name_that_is_taken_is_refused_before_anything_is_computed(trained: Workspace, tmp_path: Path) -> None:
    workspace = having(trained, tmp_path, "seen")
    (tmp_path / "mine.py").write_text("def recency_any(history):\n    return 1\n")
    config = tmp_path / "own.toml"
    config.write_text(config.read_text().replace("mine.py:seen", "mine.py:recency_any"))
    with pytest.raises(UsageError, match="a column 'recency_any' already"):
        Workspace.open(workspace.root, config, trained.log_path).build()


def test_a_model_with_one_is_judged_and_registered_but_never_serves(tried: Workspace) -> None:
    made = TrainingSet.open(tried.training_set_path)
    outcome = train_and_register(made, tried.settings.training_plan, tried.registry, {})
    assert outcome.alias == CHALLENGER
    assert "own features (seen, days_since_last, latest_known)" in outcome.decision
    assert outcome.account.evaluation.judgements[0].metrics["log_loss"].value is not None
    registered = tried.registry.get(tried.model_name, outcome.version)
    assert registered is not None
    assert "seen" in [feature.name for feature in registered.load().manifest.features]
    for act in (
        lambda: promote(tried.registry, tried.model_name, outcome.version, "by hand"),
        lambda: Predictor.of(registered),
    ):
        with pytest.raises(DataError, match=r"own features \(seen, .*no server computes"):
            act()
    assert tried.rebuild(outcome.version).is_same


def test_a_version_is_not_rebuilt_by_other_code(tried: Workspace) -> None:
    version = tried.registry.find(tried.model_name, CHALLENGER)
    assert version is not None
    other = replace(
        tried,
        settings=tried.settings.model_copy(update={"features": tried.settings.features.model_copy(update={"own": ()})}),
    )
    with pytest.raises(DataError, match=r"'mine.py:seen' is not here as it was"):
        other.rebuild(version.version)


def test_past_dates_have_it_too(tried: Workspace) -> None:
    made = TrainingSet.open(tried.training_set_path)
    timeline = tried.timeline(made)
    assert isinstance(timeline, LogTimeline)
    past = timeline.known_at(timeline.origins(2)[0])
    assert pa.types.is_float32(past.features.schema.field("seen").type)
    assert past.features.column("seen").to_pylist() == past.features.column("count_any_ever").to_pylist()


def test_a_manifest_of_a_model_without_says_nothing_of_it(trained: Workspace) -> None:
    manifest: Manifest = trained.champion().load().manifest
    assert "own_features" not in manifest.to_json()
    manifest.check_servable()
