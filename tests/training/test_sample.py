"""A sample holds the training set in order of time, with what is unknown left unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from features.training_set import TrainingSet
from features.training_shard import KEYS
from training.samples.sample import read_sample
from workspace import Workspace


@pytest.fixture(scope="module")
def training_set(trained: Workspace) -> TrainingSet:
    return TrainingSet.open(trained.training_set_path)


def test_rows_come_in_order_of_time_whatever_the_order_of_the_shards(training_set: TrainingSet) -> None:
    sample = read_sample(training_set)
    keys = list(zip(sample.as_of.tolist(), sample.lead.tolist(), strict=True))
    assert len(keys) == training_set.moments > 1_000
    assert keys == sorted(keys)


def test_labels_are_unknown_exactly_where_censored(training_set: TrainingSet) -> None:
    sample = read_sample(training_set)
    assert np.isnan(sample.y).sum() == training_set.censored > 0
    assert not np.isnan(sample.y[sample.mature]).any()
    assert int(np.nansum(sample.y)) == training_set.positives > 0


def test_keys_are_no_features(training_set: TrainingSet) -> None:
    assert not set(KEYS) & set(read_sample(training_set).features.column_names)


def test_a_part_takes_the_same_rows_of_everything(training_set: TrainingSet) -> None:
    sample = read_sample(training_set)
    rows = np.arange(len(sample)) % 7 == 3
    part = sample.of(rows)
    assert len(part) == rows.sum() == len(part.features)
    np.testing.assert_array_equal(part.lead, sample.lead[rows])
    assert (
        part.features.column("age").to_pylist()
        == pa.chunked_array(sample.features.column("age").filter(pa.array(rows))).to_pylist()
    )


def test_a_training_set_without_moments_is_refused(training_set: TrainingSet, tmp_path: Path) -> None:
    shard = next(iter(sorted((training_set.path / "rows").glob("shard-*.parquet"))))
    pq.write_table(pq.read_table(shard).slice(0, 0), tmp_path / shard.name)
    empty = TrainingSet(tmp_path, training_set.recipe, 0, 0, 0, 0, "")
    with pytest.raises(DataError, match="holds no moments; check target and moments"):
        read_sample(empty)
