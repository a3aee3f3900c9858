"""The training set is the same however it is built, says what is unknown, and holds what serving computes."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from data.log.eventlog import EventLog
from features import training_set, training_shard
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.recipe import Recipe, recipe_from
from features.training_set import TrainingSet, build
from features.training_shard import KEYS, build_shard
from tests.features.logs import BUCKETS, DEMO, digests, ingested, recipe_for


def test_it_holds_moments_of_every_kind(built: TrainingSet) -> None:
    assert built.moments > 2_000
    assert min(built.positives, built.censored, built.moments - built.mature) > 100
    assert built.mature + built.censored <= built.moments


def test_built_again_it_is_the_same_byte_by_byte(
    log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path
) -> None:
    again = build(log, recipe, tmp_path / "set", jobs=1)
    assert again.digest == built.digest
    assert digests(tmp_path / "set") == digests(built.path)
    assert len(digests(built.path)) == BUCKETS + 1


def test_a_finished_shard_is_kept_and_the_rest_is_made(
    log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path
) -> None:
    (tmp_path / "rows").mkdir()
    build_shard(log.path, 2, recipe, tmp_path)
    finished = (tmp_path / "rows" / "shard-002.parquet").stat()
    (tmp_path / "rows" / "shard-001.parquet").write_bytes((built.rows / "shard-001.parquet").read_bytes()[:1_000])
    (tmp_path / "rows" / "shard-003.77.draft").write_bytes(b"cut short")
    (tmp_path / "rows" / "shard-099.parquet").write_bytes(b"of a log with more buckets")
    build(log, recipe, tmp_path)
    assert digests(tmp_path) == digests(built.path)
    assert (tmp_path / "rows" / "shard-002.parquet").stat().st_mtime_ns == finished.st_mtime_ns


def test_a_build_that_is_killed_goes_on(log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path) -> None:
    """Killed after its second shard: no set is there to be opened, and the next build gives the same bytes."""
    program = f"""
import os, pickle, signal, sys
from pathlib import Path
from data.log.eventlog import EventLog
from features.training_set import build
recipe = pickle.loads(sys.stdin.buffer.read())
stop = lambda done, of: os.kill(os.getpid(), signal.SIGKILL) if done == 2 else None
build(EventLog.open(Path({str(log.path)!r})), recipe, Path({str(tmp_path)!r}), 1, stop)
"""
    killed = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(recipe), cwd=Path.cwd(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "rows").glob("shard-*.parquet"))) >= 2
    with pytest.raises(DataError, match="holds no complete training set"):
        TrainingSet.open(tmp_path)
    build(log, recipe, tmp_path)
    assert digests(tmp_path) == digests(built.path)


def test_another_recipe_makes_new_shards(log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path) -> None:
    longer = replace(recipe, target=replace(DEMO, horizon_days=60))
    build(log, longer, tmp_path)
    build(log, recipe, tmp_path)
    assert digests(tmp_path) == digests(built.path)


def test_a_log_that_has_changed_is_refused(recipe: Recipe, built: TrainingSet, tmp_path: Path) -> None:
    grown = ingested(tmp_path, 2_000)
    with pytest.raises(DataError, match="has changed since the recipe was made"):
        build(grown, recipe, built.path)
    assert TrainingSet.open(built.path) == built, "a refused build leaves the old set as it was"


def test_after_a_failure_nobody_is_at_work(
    monkeypatch: pytest.MonkeyPatch, log: EventLog, recipe: Recipe, tmp_path: Path
) -> None:
    """Threads that go on would take the process down when it ends; and no shard is begun any more."""
    at_work, begun, fails = threading.Semaphore(0), list[int](), threading.Event()

    def shard(path: Path, number: int, *_: object) -> None:
        begun.append(number)
        if number == 0:
            fails.wait(60)
            raise DataError("this one is broken")
        fails.set()
        time.sleep(0.3)
        at_work.release()

    monkeypatch.setattr(training_set, "build_shard", shard)
    with pytest.raises(DataError, match="this one is broken"):
        build(log, recipe, tmp_path, jobs=2)
    assert all(at_work.acquire(blocking=False) for number in begun if number)
    assert len(begun) < BUCKETS


def test_the_label_is_null_exactly_where_it_is_unknown(built: TrainingSet) -> None:
    table = built.read(["label", "mature", "censored"])
    label, censored = table.column("label"), table.column("censored").to_numpy()
    assert (label.is_null().to_numpy() == censored).all()
    assert set(label.drop_null().to_pylist()) == {0, 1}
    assert not (censored & table.column("mature").to_numpy()).any()
    assert not ((label.fill_null(9).to_numpy() == 0) & ~table.column("mature").to_numpy()).any()


def test_rows_are_read_in_order_of_time(built: TrainingSet) -> None:
    table = built.read()
    keys = list(
        zip(table.column("as_of").cast(pa.int64()).to_pylist(), table.column("lead_id").to_pylist(), strict=True)
    )
    assert keys == sorted(set(keys))
    assert table.column_names == [*KEYS, *(definition.name for definition in built.catalogue)]


def served(log: EventLog, built: TrainingSet, pairs: int) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """Rows of the training set, each beside what is computed for that lead alone at that moment."""
    plan = compile_plan(built.catalogue, log.vocabulary)
    draw = np.random.default_rng(1)
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        place = {lead_id: i for i, lead_id in enumerate(histories.lead_ids.to_pylist())}
        shard = pq.read_table(built.rows / f"shard-{number:03d}.parquet")
        chosen = shard.take(np.sort(draw.choice(len(shard), min(pairs // log.n_buckets, len(shard)), replace=False)))
        times = chosen.column("as_of").cast(pa.int64()).to_pylist()
        for row, at in zip(chosen.to_pylist(), times, strict=True):
            alone = histories.of(np.array([place[row["lead_id"]]]))
            moment = Moments(np.zeros(1, np.int32), np.array([at], np.int64))
            yield {key: row[key] for key in row if key not in KEYS}, compute(plan, alone, moment).to_pylist()[0]


@pytest.mark.proof("peeking")
def test_a_training_row_is_the_row_that_serving_computes(log: EventLog, built: TrainingSet, full: bool) -> None:
    pairs = list(served(log, built, 10_000 if full else 400))
    assert len(pairs) >= (min(built.moments, 9_000) if full else 400)
    assert all(repr(trained) == repr(computed) for trained, computed in pairs)


def test_memory_is_bounded_by_chunks_that_end_with_a_lead(
    monkeypatch: pytest.MonkeyPatch, log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path
) -> None:
    """Small chunks give the same rows, and no chunk holds more than it must."""
    sizes: list[int] = []
    whole = training_shard._rows

    def counted(*arguments: object) -> pa.Table:
        table = whole(*arguments)  # type: ignore[arg-type]
        sizes.append(len(table))
        return table

    monkeypatch.setattr(training_shard, "CHUNK", 100)
    monkeypatch.setattr(training_shard, "_rows", counted)
    small = build(log, recipe, tmp_path, jobs=1)
    assert plain(small).equals(plain(built))
    assert len(sizes) > built.moments / 200
    assert max(sizes) < 100 + recipe.policy.max_per_lead
    assert sum(sizes) == built.moments


def test_an_empty_bucket_gives_an_empty_shard(recipe: Recipe, tmp_path: Path) -> None:
    log = ingested(tmp_path, 20)
    tiny = build(log, recipe_for(log), tmp_path / "set")
    assert tiny.moments == len(tiny.read())
    assert len(list((tmp_path / "set" / "rows").glob("shard-*.parquet"))) == BUCKETS
    assert 0 in [pq.read_metadata(path).num_rows for path in (tmp_path / "set" / "rows").glob("shard-*.parquet")]


def plain(made: TrainingSet) -> pd.DataFrame:
    """All rows, categories as texts."""
    table = made.read()
    texts = pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema])
    return pd.DataFrame(table.cast(texts).to_pandas())


def test_progress_is_told(log: EventLog, recipe: Recipe, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    build(log, recipe, tmp_path, progress=lambda done, of: steps.append((done, of)))
    assert steps == [(n, BUCKETS) for n in range(1, BUCKETS + 1)]


def test_nothing_that_is_no_training_set_is_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `leadscore features` first"):
        TrainingSet.open(tmp_path)
    (tmp_path / "training_set.json").write_text("{")
    with pytest.raises(DataError, match="run `leadscore features` first"):
        TrainingSet.open(tmp_path)


def test_the_recipe_travels_as_plain_values(built: TrainingSet, recipe: Recipe) -> None:
    assert recipe_from(json.loads(json.dumps(recipe.to_json()))) == built.recipe == recipe
    assert built.catalogue == recipe.catalogue
    assert os.sep not in recipe.digest
