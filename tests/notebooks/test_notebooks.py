"""The notebooks run from top to bottom on a small funnel, and come to what they say."""

from __future__ import annotations

import runpy
from typing import Any

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from workspace import Workspace

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.py"))


def run(name: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Executes a notebook as the script that its text is; returns what it defined."""
    monkeypatch.setenv("LEADSCORE_VAR", str(workspace.root))
    monkeypatch.setenv("LEADSCORE_CONFIG", str(workspace.root / "small.toml"))
    return runpy.run_path(str(REPOSITORY / "notebooks" / f"{name}.py"))


def test_explore(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("explore", trained, monkeypatch)
    assert made["events"].sum() == made["histories"].n_events > 1_000
    assert 0 < made["rate"]["share that converts"].mean() < 0.5
    assert len(made["table"]) == len(made["plan"].definitions) > 100


def test_add_a_feature(trained: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("add_a_feature", trained, monkeypatch)
    assert "log-loss without minus with: " in capsys.readouterr().out
    assert made["difference"].low <= made["difference"].value <= made["difference"].high
    added = set(made["with_them"].learn.features.column_names) - set(made["without"].learn.features.column_names)
    assert added == {"count_pricing_view_14d", "trend_web_7d_90d"}
    values = made["histories"].value
    assert made["values"]["priced_any_ever"].to_numpy().sum() == np.isfinite(values[~made["histories"].bot]).sum() > 0


def test_calibration(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("calibration", trained, monkeypatch)
    honest, spoilt = made["summary"](made["honest"]), made["summary"](made["spoilt"])
    assert honest["auc"] == pytest.approx(spoilt["auc"])
    assert spoilt["slope"] == pytest.approx(honest["slope"] / 2)
    assert spoilt["log_loss"] > honest["log_loss"]
    assert (np.diff(made["mended_p"][np.argsort(made["spoilt_p"])]) >= 0).all()
    assert len(made["after"].bins) > 1


def test_thresholds(trained: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("thresholds", trained, monkeypatch)
    assert made["ways"][1].probability is None
    assert made["ways"][2].leads_per_week <= max(made["flow"].per_week / 10, 0.1)
    assert made["ways"][3].rule.target == pytest.approx(0.03)
    assert "There is no SQL threshold" in capsys.readouterr().out


def test_backtest_and_drift(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("backtest_and_drift", trained, monkeypatch)
    assert [each.name for each in made["result"].places] == ["champion", "base rate", "newest rate"]
    assert len(made["result"].rounds) == 3
    assert {name: told[0] for name, told in made["advice"].items()}.keys() == made["worlds"].keys()
    assert made["advice"]["scores are right"][0] == "nothing"


def test_every_notebook_is_tested_and_is_jupytext() -> None:
    assert {path.stem for path in NOTEBOOKS} == {
        "explore",
        "add_a_feature",
        "calibration",
        "thresholds",
        "backtest_and_drift",
    }
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ---\n# jupyter:\n#   jupytext:\n")
        assert "format_name: percent" in text
        assert text.count("\n# %% [markdown]\n") >= 4
