"""The training set as others read it: one line for X and y, and a plain Parquet data set."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.contract import DataError
from features.training_set import TrainingSet
from features.training_shard import KEYS
from tests.conftest import REPOSITORY
from training.samples.sample import read_sample
from workspace import Workspace


def test_it_has_the_rows_of_a_sample_in_their_order(trained: Workspace) -> None:
    frame, sample = trained.frame(), read_sample(TrainingSet.open(trained.training_set_path))
    np.testing.assert_array_equal(frame.y.to_numpy(), sample.y)
    assert frame.lead.tolist() == sample.lead.tolist()
    assert frame.time.dt.as_unit("us").astype("int64").tolist() == sample.as_of.tolist()
    assert not set(KEYS) & set(frame.X.columns)
    kinds = {feature.name: feature.kind for feature in TrainingSet.open(trained.training_set_path).catalogue}
    assert {name for name, kind in frame.X.dtypes.items() if isinstance(kind, pd.CategoricalDtype)} == {
        name for name, kind in kinds.items() if kind == "category"
    }


def test_of_the_known_every_row_has_an_outcome(trained: Workspace) -> None:
    frame, known = trained.frame(), trained.frame().known
    assert len(known) == len(frame) - frame.censored.sum() < len(frame)
    assert set(known.y) == {0, 1}
    assert known.X.index.equals(known.y.index)
    assert not known.censored.any()


def test_without_a_training_set_the_command_is_named(trained: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `leadscore features` first"):
        Workspace(tmp_path, tmp_path / "log", trained.settings).frame()


def test_a_training_set_of_an_earlier_version_is_read(trained: Workspace, tmp_path: Path) -> None:
    """Its shards lie beside what describes them."""
    made = TrainingSet.open(trained.training_set_path)
    for path in (made.path / "training_set.json", *made.rows.iterdir()):
        shutil.copy(path, tmp_path)
    earlier = TrainingSet.open(tmp_path)
    pd.testing.assert_frame_equal(earlier.read().to_pandas(), made.read().to_pandas())
    pd.testing.assert_frame_equal(earlier.shard(0).to_pandas(), made.shard(0).to_pandas())


def test_what_the_guide_prints_can_be_typed(
    trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All blocks of the document, one after the other, where the workspace is called var."""
    text = (REPOSITORY / "docs" / "data_science.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    (tmp_path / "var").symlink_to(trained.root)
    shutil.copy(trained.root / "small.toml", tmp_path / "leadscore.toml")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/data_science.md", "exec"), names)
    printed = capsys.readouterr().out.split("\n")
    assert printed[0].startswith(f"({len(trained.frame().known)}, ")
    losses = [float(line) for line in printed if re.fullmatch(r"0\.\d+", line)]
    assert len(losses) == 5
    assert losses[1] < losses[0]
