"""Two training sets or lists of scores beside each other: what moved is found, what is alike is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from features.training_set import TrainingSet
from training.artifact.loaded_model import LoadedModel
from training.monitoring.drift import drift_of_samples, drift_of_scores
from training.samples.sample import Sample, read_sample
from workspace import Workspace


@pytest.fixture(scope="module")
def sample(trained: Workspace) -> Sample:
    return read_sample(TrainingSet.open(trained.training_set_path))


@pytest.fixture(scope="module")
def model(trained: Workspace) -> LoadedModel:
    return trained.champion().load()


def halves(sample: Sample) -> tuple[Sample, Sample]:
    """Two parts of the leads that differ by luck alone."""
    first = np.isin(sample.lead, np.unique(sample.lead)[::2])
    return sample.of(first), sample.of(~first)


def test_leads_that_differ_by_luck_alone_have_not_moved(sample: Sample, model: LoadedModel) -> None:
    drift = drift_of_samples(*halves(sample), model)
    names = {result.name for result in drift.shifts}
    assert {"labels", "predictions", "recency_any", "profile_country"} <= names
    assert len(names) > 40
    assert not any(result.shifted for result in drift.shifts)
    assert drift.exit_code == 0


def test_what_moved_is_found_and_nothing_else(sample: Sample, model: LoadedModel) -> None:
    """Planted: one number is doubled, one text is unknown for half of the leads."""
    earlier, recent = halves(sample)
    table = recent.features
    doubled = pa.array(2 * table["recency_any"].to_numpy() + 3, pa.float32())
    words = table["profile_country"].cast(pa.string()).to_pylist()
    country = pa.array([None if row % 2 else word for row, word in enumerate(words)]).dictionary_encode()
    for name, column in (("recency_any", doubled), ("profile_country", country)):
        table = table.set_column(table.column_names.index(name), name, column)
    moved = {
        result.name for result in drift_of_samples(earlier, recent.with_features(table), model).shifts if result.shifted
    }
    assert {"recency_any", "profile_country"} <= moved <= {"recency_any", "profile_country", "predictions"}


def test_labels_that_the_model_has_not_seen_decide(sample: Sample, model: LoadedModel) -> None:
    """Planted: all moments come after the training, and five times as many convert as before."""
    known = sample.of(sample.mature)
    later = replace(known, as_of=known.as_of + 400 * 86_400_000_000)
    rng = np.random.default_rng(0)
    more = replace(later, y=np.maximum(later.y, rng.random(len(later)) < 4 * later.y.mean()))
    drift = drift_of_samples(known, more, model)
    assert next(result for result in drift.shifts if result.name == "labels").shifted
    assert drift.advice in ("recalibrate", "retrain")
    assert drift.exit_code in (10, 20)
    assert drift_of_samples(known, later, model).checks
    assert drift_of_samples(known, sample, model).checks == (), "of what it has learnt from nothing is tested"


def test_without_a_model_that_fits_features_and_labels_are_compared(sample: Sample) -> None:
    drift = drift_of_samples(*halves(sample), None)
    assert "predictions" not in {result.name for result in drift.shifts}
    assert "no model" in drift.reason


def written(path: Path, p: np.ndarray) -> Path:
    """A file with the columns of scores that matter, CSV or Parquet."""
    table = pa.table({"lead_id": [f"L{i}" for i in range(len(p))], "probability": p, "stage": ["MQL"] * len(p)})
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def test_lists_of_scores_are_compared_in_either_form(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    old = written(tmp_path / "old.csv", rng.beta(1, 20, 3_000))
    same = written(tmp_path / "same.parquet", rng.beta(1, 20, 3_000))
    higher = written(tmp_path / "higher.parquet", rng.beta(2, 10, 3_000))
    assert not any(result.shifted for result in drift_of_scores([old], same).shifts)
    drift = drift_of_scores([old, same], higher)
    assert (drift.earlier, drift.recent) == (3_000, 3_000)
    assert [result.name for result in drift.shifts if result.shifted] == ["predictions"]
    assert drift.exit_code == 0, "a shift alone is no reason to act"
    pq.write_table(pa.table({"lead_id": ["L1"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="no column 'probability'"):
        drift_of_scores([old], tmp_path / "other.parquet")


def test_a_lead_in_several_lists_counts_once_as_the_newest_of_them_says(tmp_path: Path) -> None:
    """Else ten copies of one list would make of a difference by luck a sure one."""
    rng = np.random.default_rng(3)
    before, now = (written(tmp_path / f"{name}.csv", rng.beta(1, 20, 300)) for name in ("before", "now"))
    older = written(tmp_path / "older.parquet", rng.beta(9, 2, 300))
    once = drift_of_scores([before], now)
    assert drift_of_scores([older, *[before] * 10], now) == once
    assert drift_of_scores([before, older], now) != once
