"""A history that is cut off at a moment gives the same features there: the check of features that know the future."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from data.contract import DataError
from data.histories import FAR
from data.log.eventlog import EventLog
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.recipe import Recipe
from features.training_set import TrainingSet, build
from tests.features.leads import AS_OF, CATALOGUE, LEADS, VOCABULARY, histories_of, moments_of
from tests.features.logs import ingested, recipe_for
from tests.features.test_population import LEADS as CORRECTED_LEADS
from tests.oracles.features_naive import Lead
from training.audit.truncation_check import changed_by_the_future, cut_off

PLAN = compile_plan(CATALOGUE, VOCABULARY)


@given(LEADS, AS_OF)
@settings(max_examples=40, deadline=None)
def test_the_future_can_be_cut_off_without_a_change(leads: list[Lead], as_of: list[int]) -> None:
    whole, moments = histories_of(leads), moments_of(leads, as_of)
    past = cut_off(whole, moments.lead.astype(np.int64), moments.as_of)
    ends = np.repeat(moments.as_of, np.diff(past.starts))
    assert (past.known_at < ends).all()
    assert (past.profiles.valid_from <= np.repeat(moments.as_of, np.diff(past.profiles.starts))).all()
    alone = Moments(np.arange(len(moments), dtype=np.int32), moments.as_of)
    actual, expected = (compute(PLAN, *inputs).to_pylist() for inputs in ((past, alone), (whole, moments)))
    assert str(actual) == str(expected)  # NaN is NaN


@given(CORRECTED_LEADS, AS_OF)
@settings(max_examples=40, deadline=None)
def test_what_will_be_known_to_be_wrong_is_cut_off_too(leads: list[Lead], as_of: list[int]) -> None:
    whole, moments = histories_of(leads), moments_of(leads, as_of)
    past = cut_off(whole, moments.lead.astype(np.int64), moments.as_of)
    assert (past.superseded_at is None) == (whole.superseded_at is None)
    ends = np.repeat(moments.as_of, np.diff(past.starts))
    assert past.superseded_at is None or ((past.superseded_at < ends) | (past.superseded_at == FAR)).all()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventLog, TrainingSet]:
    folder = tmp_path_factory.mktemp("cut")
    log = ingested(folder, 4_000)
    return log, build(log, recipe_for(log), folder / "set")


def test_features_of_the_past_alone_pass(made: tuple[EventLog, TrainingSet]) -> None:
    log, training_set = made
    looked_at = 0
    for bucket in range(log.n_buckets):
        changed, moments = changed_by_the_future(log, training_set, bucket)
        assert changed == {}
        looked_at += moments
    assert looked_at > 100


def test_a_feature_that_counts_the_whole_life_is_found(made: tuple[EventLog, TrainingSet]) -> None:
    """Planted fault: every moment of a lead holds what is known at its last one."""
    log, training_set = made
    shard = training_set.rows / "shard-000.parquet"
    table, good = pq.read_table(shard), shard.read_bytes()
    name, lead = "count_any_ever", np.asarray(table.column("lead_id").to_pylist())
    count = table.column(name).to_numpy()
    whole = np.array([count[lead == lead_id].max() for lead_id in lead], np.float32)
    assert (whole != count).any()
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(whole)), shard)
    try:
        changed, moments = changed_by_the_future(log, training_set, 0)
        assert set(changed) == {name}
        assert 0 < changed[name] <= moments
        with pytest.raises(DataError, match=r"shard-001.parquet cannot be read"):
            changed_by_the_future(log, TrainingSet(Path("nowhere"), *_rest(training_set)), 1)
    finally:
        shard.write_bytes(good)


def _rest(training_set: TrainingSet) -> tuple[Recipe, int, int, int, int, str]:
    return (training_set.recipe, *(0,) * 4, training_set.digest)
