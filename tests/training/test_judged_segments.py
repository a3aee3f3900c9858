"""Groups of leads are judged apart: a planted gap is flagged, luck is not; a column that is not there stops at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.contract import UsageError
from tests.training.test_train import PLAN, funnel
from training.pipeline import train_and_register
from training.recipe.segments import judged_segments
from training.recipe.train import split_by_time
from training.registry.registry import Registry
from training.run_report import Telling
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.sample import Sample
from workspace import Workspace


@pytest.fixture(scope="module")
def rows() -> Sample:
    """Leads by country, all of whom convert with the same probability."""
    judged = split_by_time(funnel(3_000), PLAN).judged
    rng = np.random.default_rng(3)
    country = rng.choice(["DE", "FR", "IT", "PL"], len(judged))
    plan = rng.choice(["basic", "pro"], len(judged))
    columns = {"profile_country": country, "profile_plan": plan}
    features = judged.features
    for name, values in columns.items():
        features = features.append_column(name, pa.array(values).dictionary_encode())
    return judged.with_features(features)


@pytest.fixture(scope="module")
def fair(rows: Sample) -> Array:
    """What comes on average of the leads that are looked at."""
    drawn = one_per_lead(rows.lead, rows.as_of)
    return np.full(len(rows), rows.y[drawn].mean())


def test_groups_that_differ_by_luck_alone_are_not_flagged(rows: Sample, fair: Array) -> None:
    fields = judged_segments(rows, fair)
    assert {*fields["country"]} == {"DE", "FR", "IT", "PL"}
    assert not [field for values in fields.values() for field in values.values() if field.verdict in ("more", "fewer")]


def test_a_planted_gap_is_flagged_and_its_interval_leaves_one_out(rows: Sample, fair: Array) -> None:
    """Planted: of leads from France twice as many were said to convert."""
    france = np.array(rows.features["profile_country"].to_pylist()) == "FR"
    fields = judged_segments(rows, np.where(france, 2 * fair, fair))["country"]
    assert fields["FR"].verdict == "fewer"
    assert fields["FR"].ratio[2] < 1
    assert {value for value, field in fields.items() if field.verdict in ("more", "fewer")} == {"FR"}


def test_any_column_can_be_looked_at_beside_the_usual_ones(rows: Sample, fair: Array) -> None:
    fields = judged_segments(rows, fair, ["profile_plan"])
    assert {*fields["profile_plan"]} == {"basic", "pro"}
    assert "country" in fields


def test_a_column_that_is_not_there_stops_before_anything_is_fitted(trained: Workspace, tmp_path: Path) -> None:
    made, plan, told = trained.build(), trained.settings.training_plan, list[str]()
    telling = Telling(segments=["profile_shoe_size"])
    with pytest.raises(UsageError, match="there is no column 'profile_shoe_size' to split by; there are "):
        train_and_register(made, plan, Registry(tmp_path), {}, say=told.append, telling=telling)
    assert told == ["reading the training set"]
