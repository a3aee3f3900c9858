"""Runs of the version index merge into what sorting all their records gives, in however many ranges of keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.log import version_index
from data.log.version_index import HIGH, LOW, Records, digest_of, merge_runs, open_run, write_run

EDGES = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
"""Keys at which ranges begin and end."""


def runs_in(folder: Path, *lengths: int) -> tuple[list[Path], Records]:
    """Runs with keys at the edges and keys that several runs have, and all their records one after the other."""
    rng, paths, records = np.random.default_rng(1), [], []
    for number, length in enumerate(lengths):
        run = rng.integers(0, 2**64 - 1, (5, length), np.uint64, endpoint=True)
        run[HIGH] = np.where(rng.random(length) < 0.2, rng.choice(EDGES, length), run[HIGH])
        write_run(folder / str(number), run)
        paths.append(folder / str(number))
        records.append(run[:, np.argsort(run[HIGH], kind="stable")])
    return paths, np.concatenate([np.empty((5, 0), np.uint64), *records], axis=1)


@pytest.mark.parametrize("at_once", [1, 7, 100, 1_000_000])
@pytest.mark.parametrize("lengths", [(), (0,), (1,), (40, 0, 300), (90, 90, 90, 90)])
def test_merged_runs_are_all_records_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...], at_once: int
) -> None:
    monkeypatch.setattr(version_index, "RANGE", at_once)
    paths, records = runs_in(tmp_path, *lengths)
    assert merge_runs(paths, tmp_path / "out") == 0
    wanted = records[:, np.argsort(records[HIGH], kind="stable")]
    assert np.array_equal(open_run(tmp_path / "out"), wanted)


@pytest.mark.parametrize("at_once", [7, 1_000_000])
def test_what_is_left_out_is_in_the_digest_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(version_index, "RANGE", at_once)
    paths, records = runs_in(tmp_path, 50, 200)

    def is_odd(some: Records) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        odd: np.ndarray[tuple[int], np.dtype[np.bool_]] = some[LOW] % np.uint64(2) == 1
        return odd

    assert merge_runs(paths, tmp_path / "out", is_odd) == digest_of(records[:, is_odd(records)])
    wanted = records[:, np.argsort(records[HIGH], kind="stable")]
    assert np.array_equal(open_run(tmp_path / "out"), wanted[:, ~is_odd(wanted)])
