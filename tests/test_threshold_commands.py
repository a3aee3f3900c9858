"""Thresholds by the commands of a user: shown, explained, asked "what if", and set anew without training."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import leadscore
from training.registry.registry import Registry
from training.thresholds.rule_types import CapacityRule
from workspace import Workspace


@pytest.fixture
def root(trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace to write to."""
    monkeypatch.setattr("os.environ", os.environ.copy())
    for name in ("log", "training_set"):
        shutil.copytree(trained.root / name, tmp_path / name)
    shutil.copy(trained.root / "mlflow.db", tmp_path)
    shutil.copy(trained.root / "small.toml", tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    sys.argv = ["leadscore", "thresholds", *words, "--var", str(root), "--config", str(root / "small.toml")]
    with pytest.raises(SystemExit) as stopped:
        leadscore.main()
    return (int(stopped.value.code or 0), *capsys.readouterr())


def test_from_what_there_is_to_another_promise(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [])
    shown = json.loads(run(capsys, root, "show", "--json")[1])
    assert [threshold["stage"] for threshold in shown] == ["MQL", "SQL"]
    table = json.loads(run(capsys, root, "what-if", "--json", "--plot", str(root / "what-if.png"))[1])
    assert (root / "what-if.png").read_bytes().startswith(b"\x89PNG")
    assert len(table["probability"]) > 10
    registry = Registry(root)
    before = registry.champion("leadscore-conversion")
    code, out, err = run(capsys, root, "set", "sql", "--per-week", "3", "--reason", "two of us are away", "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["stage"], made["rule"], made["before"]) == ("SQL", "capacity", before.version)
    assert 0 < made["leads_per_week"] <= 3
    after = registry.champion("leadscore-conversion")
    assert after.version == made["version"] != before.version
    old, new = before.load(), after.load()
    assert old.manifest.boosters == new.manifest.boosters
    assert new.manifest.thresholds[0] == old.manifest.thresholds[0]
    assert new.manifest.thresholds[1].rule == CapacityRule(3)
    assert "no more than 3 new ones a week" in run(capsys, root, "explain", "SQL")[1]
    code, out, err = run(capsys, root, "set", "MQL", "--value", "10000", "--cost", "100", "--json")
    assert (code, err) == (0, "")
    again = json.loads(out)
    assert again["probability"] == 0.01


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set", "SQL"], "give precision, per_week or both, or value and cost"),
        (["set", "SQL", "--value", "9", "--cost", "10"], "cost must lie below value"),
        (["set", "XQL", "--per-week", "3"], "there is no stage 'XQL'; there are MQL, SQL"),
        (["set", "SQL", "--precision", "0.99"], "cannot promise that on"),
        (["explain", "XQL"], "there is no stage 'XQL'"),
        (["what-if", "--plot", "x.pdf"], "the picture is a .png"),
    ],
)
def test_what_cannot_be_promised_changes_nothing(
    words: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [])
    code, out, err = run(capsys, root, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert Registry(root).champion("leadscore-conversion").version == "1"
