"""The notebooks run from top to bottom on a small funnel, and come to what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from nbclient import NotebookClient
from traitlets.config import Config

from data.contract import DataError
from data.simulated.simulate import FunnelOptions, simulate
from tests.conftest import REPOSITORY
from workspace import Workspace

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.py"))


@dataclass(frozen=True)
class Executed:
    """What a notebook defined, and how many pictures it showed."""

    names: dict[str, Any]
    pictures: int

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


class Shell(InteractiveShell):
    """A notebook's shell without a kernel around it."""

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no window."""


def run(name: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Executed:
    """Executes a notebook cell by cell, as Jupyter does."""
    monkeypatch.setenv("LEADSCORE_VAR", str(workspace.root))
    monkeypatch.setenv("LEADSCORE_CONFIG", str(workspace.root / "small.toml"))
    shell, pictures = Shell.instance(config=Config({"HistoryManager": {"enabled": False}})), 0
    # The magic does so for the first shell of a process only; what it does in a kernel is seen below.
    select_figure_formats(shell, {"png"})  # type: ignore[no-untyped-call]
    formatter = shell.display_formatter
    assert formatter is not None
    try:
        for cell in jupytext.read(REPOSITORY / "notebooks" / f"{name}.py").cells:
            if cell.cell_type == "code":
                done = shell.run_cell(cell.source)  # type: ignore[no-untyped-call]
                done.raise_error()
                shown = formatter.format(done.result)  # type: ignore[no-untyped-call]
                pictures += "image/png" in shown[0]
        return Executed(dict(shell.user_ns), pictures)
    finally:
        Shell.clear_instance()


PICTURES = {"explore": 1, "add_a_feature": 1, "calibration": 3, "thresholds": 2, "backtest_and_drift": 2}
PICTURES |= {"own_estimator": 3, "segments": 2, "first_look": 2}


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the home of whoever runs this."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def test_a_kernel_shows_the_picture_in_whatever_folder_it_is_opened(
    trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`var` is found above the folder of the notebook."""
    (tmp_path / "var").symlink_to(trained.root)
    (tmp_path / "leadscore.toml").write_bytes((trained.root / "small.toml").read_bytes())
    (tmp_path / "notebooks" / "mine").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = jupytext.read(REPOSITORY / "notebooks" / "explore.py")
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path / "notebooks" / "mine")}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == PICTURES["explore"]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def test_without_a_workspace_a_notebook_says_which_command_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("workspace.CHECKOUT", tmp_path)
    with pytest.raises(DataError, match="run `make demo` in the checkout, or set LEADSCORE_VAR"):
        Workspace.here()


def test_explore(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("explore", trained, monkeypatch)
    assert made.pictures == PICTURES["explore"]
    assert made["events"].sum() == made["histories"].n_events > 1_000
    assert 0 < made["rate"]["share that converts"].mean() < 0.5
    assert len(made["table"]) == len(made["plan"].definitions) > 100


def test_add_a_feature(trained: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("add_a_feature", trained, monkeypatch)
    assert made.pictures == PICTURES["add_a_feature"]
    assert "log-loss without minus with: " in capsys.readouterr().out
    assert made["difference"].low <= made["difference"].value <= made["difference"].high
    added = set(made["with_them"].learn.features.column_names) - set(made["without"].learn.features.column_names)
    assert added == {"count_pricing_view_14d", "trend_web_7d_90d"}
    values = made["histories"].value
    assert made["values"]["priced_any_ever"].to_numpy().sum() == np.isfinite(values[~made["histories"].bot]).sum() > 0


def test_calibration(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("calibration", trained, monkeypatch)
    assert made.pictures == PICTURES["calibration"]
    honest, spoilt = made["summary"](made["honest"]), made["summary"](made["spoilt"])
    assert honest["auc"] == pytest.approx(spoilt["auc"])
    assert spoilt["slope"] == pytest.approx(honest["slope"] / 2)
    assert spoilt["log_loss"] > honest["log_loss"]
    assert (np.diff(made["mended_p"][np.argsort(made["spoilt_p"])]) >= 0).all()
    assert len(made["after"].bins) > 1


def test_thresholds(trained: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("thresholds", trained, monkeypatch)
    assert made.pictures == PICTURES["thresholds"]
    assert made["ways"][1].probability is None
    assert made["ways"][2].leads_per_week <= max(made["flow"].per_week / 10, 0.1)
    assert made["ways"][3].rule.target == pytest.approx(0.03)
    assert "There is no SQL threshold" in capsys.readouterr().out


def test_backtest_and_drift(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("backtest_and_drift", trained, monkeypatch)
    assert made.pictures == PICTURES["backtest_and_drift"]
    assert [place.name for place in made["result"].contenders] == ["champion", "base rate", "newest rate"]
    assert len(made["result"].origins) == 3
    assert {name: advice[0] for name, advice in made["advice"].items()}.keys() == made["worlds"].keys()
    assert made["advice"]["scores are right"][0] == "nothing"


def test_own_estimator(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("own_estimator", trained, monkeypatch)
    assert made.pictures == PICTURES["own_estimator"]
    lead, time = made["frame"].lead, made["frame"].time
    for past, later in [*made["earlier"], (made["learn"], made["judged"])]:
        assert not set(lead.iloc[past]) & set(lead.iloc[later])
        assert time.iloc[past].max() + np.timedelta64(30, "D") <= time.iloc[later].min()
    assert max(made["losses"][name] for name in ("own", "ours")) < made["losses"]["base rate"]


def test_segments(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("segments", trained, monkeypatch)
    assert made.pictures == PICTURES["segments"]
    leads = made["table"].groupby("segment").leads.sum()
    assert set(leads) == {len(made["drawn"])}, "each lead counts once in each segment"
    assert made["reached"].leads.sum() == len(made["drawn"])
    assert {"country", "first channel"} & set(made["table"].segment)


def test_first_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export with broken and doubled rows, of which nothing is known yet; the workspace stays as it is."""
    simulate(tmp_path / "demo", FunnelOptions(400, days=200))
    (tmp_path / "small.toml").touch()
    made = run("first_look", Workspace.open(tmp_path), monkeypatch)
    assert made.pictures == PICTURES["first_look"]
    assert made["columns"].loc["occurred_at", "reads as"] == "time"
    assert made["columns"].loc["value", "reads as"] == "number"
    assert made["columns"].loc["channel", "reads as"] == "category"
    assert made["profiles_columns"].loc["email", "reads as"] == "text"
    assert made["twice"]["whole rows"] > 0
    assert made["tables"].received.sum() > 1_000
    assert made["tables"].rejected.sum() == len(made["checked"].rejected) > 0
    assert 0 < made["rate"].sum() < len(made["profiles"])
    assert {path.name for path in tmp_path.iterdir()} <= {"demo", "small.toml", "ipython"}


def test_every_notebook_is_tested_and_is_jupytext() -> None:
    assert {path.stem for path in NOTEBOOKS} == PICTURES.keys()
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ---\n# jupyter:\n#   jupytext:\n")
        assert "format_name: percent" in text
        assert "\n# %%\n# %matplotlib inline\n" in text
        assert text.count("\n# %% [markdown]\n") >= 4
        assert re.search(r"\b(seconds|minute)\b", text.split("# %% [markdown]")[1]), "the beginning says what it costs"
