"""Any version's training set can be made again from a log that has grown since; what would differ is named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from data.contract import DataError, UsageError
from data.intake.ingest import ingest
from data.sources.mapping import read_mapping
from tests.small_funnel import SETTINGS
from tests.test_cli import Shell
from tests.test_cli import shell as shell
from training.pipeline import train_and_register
from workspace import Workspace

HEAD = ("lead_id", "event_type", "occurred_at", "received_at", "channel", "value", "source", "event_id")


@pytest.fixture(scope="module")
def grown(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of a trained workspace whose log has grown three times since, with a correction among it."""
    root = tmp_path_factory.mktemp("grown")
    shutil.copytree(trained.root, root, dirs_exist_ok=True)
    workspace = Workspace.open(root, root / "small.toml")
    lead = workspace.event_log().bucket(0).lead_ids[0].as_py()
    for day, (name, seen) in enumerate([("a", "09:00"), ("b", "10:00"), ("a", "11:00")], start=1):
        export, at = root / f"export-{day}.csv", f"2025-02-0{day}T{seen}:00Z"
        with export.open("w", newline="") as file:
            csv.writer(file).writerows(
                [HEAD, (lead, "page_view", at, at, ("web", "chat", "email")[day - 1], "", "later", name)]
            )
        ingest(workspace.log_path, read_mapping("simulated"), [str(export)], [])
    return workspace


def test_a_version_of_three_ingests_ago_is_made_again_to_the_byte(grown: Workspace, trained: Workspace) -> None:
    rebuilt = grown.rebuild("1")
    assert rebuilt.log_has_changed
    assert (rebuilt.is_same, rebuilt.rules, dict(rebuilt.software)) == (True, (), {})
    for shard in sorted((trained.training_set_path / "rows").iterdir()):
        assert (rebuilt.made.rows / shard.name).read_bytes() == shard.read_bytes()


def test_a_version_made_from_it_has_the_same_training_set(grown: Workspace) -> None:
    with grown.registry.tracking.opened() as mlflow:
        client = mlflow.MlflowClient()
        run = client.get_model_version(grown.model_name, "1").run_id
        source = client.get_model_version_download_uri(grown.model_name, "1")
        tags = {"base": "1", **client.get_model_version(grown.model_name, "1").tags}
        client.create_model_version(grown.model_name, source, run_id=run, tags=tags)
    assert grown.rebuild("2").is_same


def test_what_would_be_made_otherwise_now_is_named(grown: Workspace) -> None:
    config = grown.root / "other.toml"
    config.write_text(SETTINGS.replace("every_days = 14", "every_days = 7"))
    rebuilt = Workspace.open(grown.root, config).rebuild("1")
    assert (rebuilt.is_same, rebuilt.rules) == (True, ("policy",))


def test_what_came_late_without_saying_when_is_found(grown: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "late"
    shutil.copytree(grown.root, root)
    workspace = Workspace.open(root, root / "small.toml")
    histories = workspace.event_log().bucket(0)
    early = root / "early.csv"
    with early.open("w", newline="") as file:
        rows = [
            (lead.as_py(), "page_view", "2024-06-03T09:00:00Z", "", "web", "", "later", f"e{n}")
            for n, lead in enumerate(histories.lead_ids[:50])
        ]
        csv.writer(file).writerows([HEAD, *rows])
    ingest(workspace.log_path, read_mapping("simulated"), [str(early)], [])
    rebuilt = workspace.rebuild("1")
    assert (rebuilt.is_same, rebuilt.log_has_changed) == (False, True)


def test_what_it_knew_and_was_corrected_since_is_as_it_was_known_then(grown: Workspace, tmp_path: Path) -> None:
    """The correction says when it came: whoever learns now learns from it, and the version did not."""
    root = tmp_path / "corrected"
    shutil.copytree(grown.root, root)
    workspace = Workspace.open(root, root / "small.toml")
    with (root / "demo" / "events.csv").open(newline="") as file:
        visits = {row["event_id"]: row for row in csv.DictReader(file) if row["event_type"] == "blog_visit"}
    corrections = root / "corrections.csv"
    with corrections.open("w", newline="") as file:
        written = csv.DictWriter(file, HEAD)
        written.writeheader()
        written.writerows(row | {"channel": "phone", "received_at": "2025-02-04T09:00:00Z"} for row in visits.values())
    taken = ingest(workspace.log_path, read_mapping("simulated"), [str(corrections)], []).events
    assert taken.corrected > 100, "each is a later version of an event that was there"
    assert workspace.build().digest != grown.build().digest
    assert workspace.rebuild("1").is_same


def test_a_training_set_as_of_a_past_day_is_the_one_of_then(grown: Workspace) -> None:
    until = grown.recipe(grown.event_log()).observed_until
    half = (grown.event_log().observed_from_us + until) // 2
    made = grown.build(as_of=half)
    again = grown.build(as_of=half)
    assert (made.digest, made.recipe.observed_until) == (again.digest, half)
    assert 0 < made.moments < grown.rebuild("1").made.moments
    for wrong in (0, until + 1):
        with pytest.raises(UsageError, match=r"outcomes are known from .* to .*; take a time between"):
            grown.build(as_of=wrong)


def test_the_command_says_so(grown: Workspace, shell: Shell) -> None:
    words = ("rebuild", "1", "--var", str(grown.root), "--config", str(grown.root / "small.toml"))
    code, out, _ = shell(*words)
    assert code == 0
    assert "the same training set, byte for byte" in out
    assert json.loads(shell(*words, "--json")[1])["is_same"] is True
    assert shell("rebuild", "99", *words[2:])[0] == 3


def test_there_is_no_such_version(grown: Workspace) -> None:
    with pytest.raises(DataError, match="no version 99"):
        grown.rebuild("99")


def test_a_past_training_is_registered_as_any_other(grown: Workspace) -> None:
    half = (grown.event_log().observed_from_us + 3 * grown.recipe(grown.event_log()).observed_until) // 4
    settings = grown.settings
    outcome = train_and_register(grown.build(as_of=half), settings.training_plan, grown.registry, {})
    assert outcome.account.trained_on.to_us <= half
