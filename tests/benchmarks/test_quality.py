"""The quality benchmark's own logic: splits that do not leak, paired differences, cells that are run once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.quality._sets import at_random, in_order, purged
from benchmarks.quality._split import Rows, Split
from benchmarks.quality._table import Cell, aims, difference, summary, verdict
from benchmarks.quality.quality import Contender, Task
from data.contract import US_PER_DAY
from features.labels import LabelWindow
from training.measuring.evaluation import evaluate
from training.samples.sample import Sample

WINDOW = 30


def rows_of(n: int, leads: int, seed: int = 0) -> Rows:
    """n rows of some leads, one a day, converting by chance."""
    draw = np.random.default_rng(seed)
    y = (draw.random(n) < 0.4).astype(np.float64)
    lead = draw.integers(0, leads, n)
    time = np.arange(n, dtype=np.int64) * US_PER_DAY
    table = pa.table({"x": draw.random(n), "kind": pa.array(draw.choice(["a", "b"], n)).dictionary_encode()})
    return Rows(table, y, draw.uniform(0.5, 2, n), lead, time, time + WINDOW * US_PER_DAY)


def sample_of(rows: Rows) -> Sample:
    """The same as a training set whose last month is not mature."""
    mature = rows.time < rows.time[-1] - WINDOW * US_PER_DAY
    lead = np.array([f"L{number}" for number in rows.lead.tolist()])
    known = Sample.of_labels(rows.features, rows.y, rows.weight, lead, rows.time)
    return replace(known, mature=mature, window=LabelWindow(0, WINDOW, 0))


def check_forward(splits: Iterator[Split]) -> None:
    """Later rows are judged, after the label window has closed, and no lead is on both sides."""
    seen = 0
    for split in splits:
        assert len(split.judged)
        assert split.learn.time.max() + WINDOW * US_PER_DAY <= split.judged.time.min(), "a label reaches the judged"
        assert (split.learn.since >= split.learn.time + WINDOW * US_PER_DAY).all(), "an outcome is known too early"
        early, late = split.stopping()
        assert len(early)
        assert len(late)
        assert early.time.max() <= late.time.min()
        assert not set(early.lead.tolist()) & set(late.lead.tolist()), "a lead chooses what it was learnt from"
        assert not set(split.learn.lead.tolist()) & set(split.judged.lead.tolist()), "a lead is on both sides"
        seen += 1
    assert seen == 5


def test_splits_of_a_log_look_forward_and_a_random_split_would_not_pass() -> None:
    rows = rows_of(600, 60)
    check_forward(purged(sample_of(rows)))
    with pytest.raises(AssertionError, match="a label reaches the judged"):
        check_forward(at_random(rows))


def test_splits_of_a_table_judge_each_row_of_the_second_half_once() -> None:
    splits = list(in_order(rows_of(203, 203)))
    judged = np.concatenate([split.judged.time for split in splits])
    np.testing.assert_array_equal(judged, np.arange(round(203 * 0.5), 203) * US_PER_DAY)
    assert all(split.learn.time.max() < split.judged.time.min() for split in splits)


def test_a_split_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    rows = rows_of(20, 5)
    split = Split(rows, Rows(rows.features, **{**rows.keys(), "truth": rows.y * 0.5}), in_order=False)
    split.write(tmp_path)
    back = Split.read(tmp_path)
    assert back.in_order is False
    assert back.learn.truth is None
    for before, after in ((split.learn, back.learn), (split.judged, back.judged)):
        assert after.features.equals(before.features)
        for name, value in before.keys().items():
            np.testing.assert_array_equal(after.keys()[name], value)


def test_the_interval_of_one_split_is_that_of_an_evaluation() -> None:
    rows, draw = rows_of(400, 80), np.random.default_rng(1)
    p, q = draw.uniform(0.2, 0.6, (2, 400))
    ours = difference({0: Cell(rows, q, 0, 0)}, {0: Cell(rows, p, 0, 0)})
    judged = evaluate(rows.y, rows.weight, rows.lead, {"p": p, "q": q}).judgements[1].difference
    assert ours == pytest.approx((judged.value, judged.low, judged.high), abs=0.002)


def test_splits_that_share_leads_share_their_luck() -> None:
    """Judging the same rows five times tells no more than judging them once."""
    rows, draw = rows_of(300, 300), np.random.default_rng(2)
    p, q = draw.uniform(0.2, 0.6, (2, 300))
    one, other = ({i: Cell(rows, chances, 0, 0) for i in range(5)} for chances in (p, q))
    assert difference(one, other) == pytest.approx(difference({0: one[0]}, {0: other[0]}))


def test_truth_stands_for_the_label_where_it_is_known() -> None:
    rows = rows_of(200, 50)
    truth = np.linspace(0.05, 0.6, 200)
    known = Rows(rows.features, **{**rows.keys(), "truth": truth})
    value, low, _ = difference({0: Cell(known, np.full(200, 0.3), 0, 0)}, {0: Cell(known, truth, 0, 0)})
    assert 0 < low < value
    assert summary("funnel", "truth", {0: Cell(known, truth, 0, 0)}, {}, 1)["above_truth"] == 0


def test_the_best_peer_is_one_that_was_run_on_all_splits() -> None:
    rows = rows_of(200, 200)
    fair, sharp = np.full(200, 0.4), np.where(rows.y > 0, 0.9, 0.1)
    ours = {0: Cell(rows, fair, 1, 1), 1: Cell(rows, fair, 70, 1)}
    results = {"set": {"leadscore": ours, "lucky": {0: Cell(rows, sharp, 1, 1)}, "whole": ours}}
    (line,) = aims(results)
    assert "the best peer, whole" in line
    assert "not worse than" in line
    assert "70.0 CPU s, more than the aim" in line


def test_a_cell_is_run_once_and_again_when_it_was_cut_off(tmp_path: Path) -> None:
    rows, calls = rows_of(10, 10), []
    Split(rows, rows, in_order=True).write(tmp_path / "0")

    def measured(who: Contender, name: str, folder: str, out: str, seed: int, budget: float) -> dict[str, Any]:
        calls.append(name)
        np.save(out, np.full(10, 0.5))
        if len(calls) == 1:
            raise RuntimeError("cut off")
        return {"cpu_s": 1.0, "peak_mb": 2.0}

    task = Task("set", 0, tmp_path / "0", Contender("fair", 0, "digest", measured), tmp_path / "cells" / "0-fair")
    with pytest.raises(RuntimeError):
        task.run()
    assert not task.done
    task.run()
    assert task.done
    assert task.cell().p.tolist() == [0.5] * 10
    assert task.cell().cpu_s == 1.0


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.010, -0.001, "better than"),
        (-0.001, 0.002, "not worse than"),
        (-0.001, 0.010, "not surely as good as"),
        (0.001, 0.010, "worse than"),
    ],
)
def test_the_verdict_rests_on_the_whole_interval(low: float, high: float, words: str) -> None:
    assert verdict(low, high) == words
