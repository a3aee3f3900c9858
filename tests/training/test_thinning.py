"""A thinned training set measures on whole leads and teaches by exact weights; nothing of an outcome has a say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.training_set import TrainingSet
from tests.new_registry import NewRegistry
from training.model.encoding import Encoder
from training.pipeline import SHARES, train_and_register
from training.recipe.plan import TrainingPlan
from training.recipe.train import Split, fit_champion, split_by_time
from training.samples.folds import JUDGED_OF, before_cut, hash_of_lead
from training.samples.sample import Sample, read_sample
from training.samples.thinning import drawn
from training.thresholds.replay import WEEK, StageReplay
from workspace import Workspace

MOST, FEWEST = 6_000, 30


@pytest.fixture(scope="module")
def training_set(trained: Workspace) -> TrainingSet:
    return TrainingSet.open(trained.training_set_path)


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.samples.thinning.FEWEST_CONVERTED", FEWEST)


@pytest.fixture
def sample(training_set: TrainingSet, few_are_enough: None) -> Sample:
    return read_sample(training_set, MOST)


def rows_of(counts: list[int]) -> pa.ChunkedArray:
    """Leads with so many moments each, one after the other."""
    return pa.chunked_array([pa.array([f"lead {i}" for i, count in enumerate(counts) for _ in range(count)])])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 9), st.integers(0, 99))
def test_every_stretch_of_a_lead_teaches_for_about_its_length(
    counts: list[int], every: int, one_of: int, seed: int
) -> None:
    """Of any moments of a lead that follow each other, those that teach stand for as many, but for less than one_of."""
    lead = rows_of(counts)
    won = np.random.default_rng(seed).random(len(lead)) < 0.2
    whole, times = drawn(lead, pa.chunked_array([won.astype(np.int8)]), every, one_of)
    assert (times[won] == 1).all()
    names = np.asarray(lead.to_pylist())
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        assert whole[rows].all() or not whole[rows].any()
        _, unwon = drawn(
            pa.chunked_array([names[rows]]), pa.chunked_array([np.zeros(len(rows), np.int8)]), every, one_of
        )
        for start in range(len(rows)):
            stands = np.cumsum(unwon[start:])
            assert (np.abs(stands - np.arange(1, len(stands) + 1)) < one_of).all()
        np.testing.assert_array_equal(times[rows][~won[rows]], unwon[~won[rows]])


def test_what_teaches_and_who_is_whole_does_not_depend_on_outcomes() -> None:
    lead = rows_of([12] * 3_000)
    one, other = (drawn(lead, pa.chunked_array([np.full(len(lead), y, np.int8)]), 5, 7) for y in (0, 1))
    np.testing.assert_array_equal(one[0], other[0])
    assert abs(one[0].mean() - 1 / 5) < 0.03
    assert abs(one[1].sum() / len(lead) - 1) < 0.02


def test_whole_leads_are_dealt_out_to_judge_like_all() -> None:
    """A hash that says who is whole must not be the one that says who judges; with the plain hash all would."""
    names = np.array([f"lead {i}" for i in range(3_000)])
    every = JUDGED_OF

    def judged(whole: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
        """The share of judged ones among whole leads with moments on both sides of a cut."""
        lead, as_of = np.tile(names[whole], 2), np.repeat([0, 2], whole.sum())
        return float((before_cut(as_of, lead, 1)[1][as_of == 2] > 0).mean())

    whole, _ = drawn(pa.chunked_array([names]), pa.chunked_array([np.zeros(len(names), np.int8)]), every, 4)
    assert abs(judged(whole) - 1 / JUDGED_OF) < 0.05
    planted = np.array([hash_of_lead(name) % every == 0 for name in names.tolist()])
    assert judged(planted) == 1.0


def test_whole_leads_have_all_their_moments_and_all_conversions_teach(
    training_set: TrainingSet, sample: Sample
) -> None:
    every_row, thinned = read_sample(training_set), sample.thinned
    assert thinned is not None
    assert len(sample) < len(every_row) == thinned.moments
    whole = np.unique(sample.lead[sample.is_whole])
    assert 0 < len(whole) < len(np.unique(every_row.lead))
    theirs, read = every_row.of(np.isin(every_row.lead, whole)), sample.of(sample.is_whole)
    encoder = Encoder.fit(theirs.features, theirs.features.column_names)
    np.testing.assert_array_equal(encoder.matrix(theirs.features), encoder.matrix(read.features))
    np.testing.assert_array_equal(theirs.as_of, read.as_of)
    taught = sample.of(sample.taught > 0)
    assert (taught.y == 1).sum() == training_set.positives
    assert abs(sample.taught.sum() / every_row.weight.sum() - 1) < 0.05
    keys = list(zip(sample.as_of.tolist(), sample.lead.tolist(), strict=True))
    assert keys == sorted(keys)


def test_a_training_set_that_fits_is_read_whole(training_set: TrainingSet) -> None:
    sample = read_sample(training_set, training_set.moments)
    assert sample.thinned is None
    assert len(sample) == training_set.moments


def test_only_whole_leads_judge_and_are_evidence(trained: Workspace, sample: Sample) -> None:
    plan = replace(trained.settings.training_plan, parameters={"max_rounds": 10, "n_folds": 2}, newest_step="no")
    split: Split = split_by_time(sample, plan)
    assert split.judged.is_whole.all()
    assert not set(split.judged.lead) & set(split.learn.lead)
    fitted = fit_champion(sample, plan)
    assert len(fitted.grounds.story.p) == len(sample.known)
    assert not np.isnan(fitted.grounds.story.p).any()
    assert fitted.grounds.story.every == sample.every > 1


@pytest.mark.parametrize("every", [1, 4])
def test_volumes_are_those_of_all_leads_and_evidence_of_those_there_are(every: int) -> None:
    weeks, leads = 30, 40
    as_of = np.tile(np.arange(weeks) * WEEK, leads)
    lead = np.repeat(np.arange(leads), weeks)
    p = np.where(as_of // WEEK >= 18 + lead % 10, 0.5, 0.01)
    y = ((p > 0.1) & (lead % 2 > 0)).astype(np.float64)
    one, replay = StageReplay(p, y, lead, as_of), StageReplay(p, y, lead, as_of, every)
    assert replay.above(0.3) == tuple(every * number for number in one.above(0.3))
    assert replay.per_week == every * one.per_week
    few, many = one.arrivals(0.3), replay.arrivals(0.3)
    assert (many.entered, many.converted) == (few.entered, few.converted)
    assert few.entered > 0
    assert many.entries.mean == every * few.entries.mean
    assert many.stock.high == every * few.stock.high
    assert replay.lowest_threshold_for(every * 7.0) == one.lowest_threshold_for(7.0)


def test_where_few_convert_whole_leads_stay_enough_to_judge_by(training_set: TrainingSet) -> None:
    """One lead in four would keep a quarter of the conversions; all are kept, and only what teaches is thinned."""
    sample = read_sample(training_set, MOST)
    assert sample.every == 1
    assert sample.is_whole.all()
    assert (sample.taught == 0).any()
    assert split_by_time(sample, TrainingPlan()).judged.y.sum() > 0


@pytest.mark.usefixtures("few_are_enough")
def test_training_on_a_thinned_set_is_told_and_the_same_again(
    trained: Workspace, new_registry: NewRegistry, tmp_path: Path
) -> None:
    made = TrainingSet.open(trained.training_set_path)
    plan = replace(trained.settings.training_plan, most_moments=MOST)
    messages = list[str]()
    outcomes = [
        train_and_register(made, plan, new_registry(tmp_path / name), {}, say=messages.append) for name in ("a", "b")
    ]
    assert messages == [*SHARES, *SHARES]
    assert outcomes[0].digest == outcomes[1].digest
    thinned = outcomes[0].account.trained_on.thinned
    assert thinned is not None
    assert thinned.every == -(-made.moments // MOST)
    assert thinned.one_of > 1
    assert "one lead in" in outcomes[0].report.read_text()
