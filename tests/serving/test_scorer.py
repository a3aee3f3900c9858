"""The scorer says of a moment what the model says of the same moment in the training set."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.histories import Histories
from features.kernel import Moments
from features.training_set import TrainingSet
from serving.scoring.bands import FEW
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from training.artifact.manifest import manifest_from
from training.artifact.standalone import EDGE
from training.model.artifact_predictions import predict
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from training.thresholds.stages import UNQUALIFIED, StageThreshold, first_stages, next_stage
from training.thresholds.threshold import stage_thresholds
from workspace import Workspace


@pytest.fixture(scope="module")
def scorer(trained: Workspace) -> Scorer:
    return Scorer(Predictor.of(trained.champion()))


@pytest.fixture(scope="module")
def sample(trained: Workspace) -> Sample:
    return read_sample(TrainingSet.open(trained.training_set_path))


def moments_of(histories: Histories, sample: Sample) -> tuple[Moments, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The training set's moments of the leads in these histories, and their rows."""
    number = {lead: i for i, lead in enumerate(histories.lead_ids.to_pylist())}
    rows = np.array([row for row, lead in enumerate(sample.lead.tolist()) if lead in number])
    lead = np.array([number[lead_id] for lead_id in sample.lead[rows].tolist()], np.int32)
    order = np.lexsort((sample.as_of[rows], lead))
    return Moments(lead[order], sample.as_of[rows][order]), rows[order]


def test_every_training_row_scores_as_it_did(trained: Workspace, scorer: Scorer, sample: Sample) -> None:
    expected = predict(trained.champion().load(), sample)
    log, seen = trained.event_log(), 0
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        moments, rows = moments_of(histories, sample)
        probability = scorer.score(histories, moments).probability
        np.testing.assert_allclose(probability, expected[rows], rtol=0, atol=1e-12)
        seen += len(rows)
    assert seen == len(sample) > 5_000


def test_a_leaking_row_would_be_seen(trained: Workspace, scorer: Scorer, sample: Sample) -> None:
    """Planted fault: the same leads a fortnight later, as if the future had been known."""
    expected = predict(trained.champion().load(), sample)
    histories = trained.event_log().bucket(0)
    moments, rows = moments_of(histories, sample)
    late = Moments(moments.lead, moments.as_of + 14 * 86_400_000_000)
    assert np.abs(scorer.score(histories, late).probability - expected[rows]).max() > 0.01


def test_a_source_that_has_ended_is_missing_in_batch_and_online(trained: Workspace, scorer: Scorer) -> None:
    """By what the log knows where one is scored, else by what was known when the model was trained."""
    manifest, log = scorer.model.manifest, trained.event_log()
    ended = [row for row in log.watermarks.observed if row.event_type == "page_view"]
    silent = replace(log.watermarks, patience={row.source: -10 * 86_400_000_000 for row in ended})
    unobserved = silent.unobserved()
    assert "page_view" in {row.event_type for row in unobserved}
    then = replace(manifest, trained_on=replace(manifest.trained_on, unobserved=unobserved))
    assert manifest_from(then.to_json()).trained_on.unobserved == unobserved
    model = copy(scorer.model)
    model.manifest = then
    online = Scorer(model).plan.ends
    assert online
    assert online == scorer.beside(replace(log, manifest=replace(log.manifest, watermarks=silent))).plan.ends
    assert Scorer(model).beside(log).plan.ends == scorer.plan.ends == {}


def test_neither_probabilities_nor_intervals_are_ever_certain(trained: Workspace, scorer: Scorer) -> None:
    histories = trained.event_log().bucket(1)
    lead = np.arange(histories.n_leads, dtype=np.int32)
    scores = scorer.score(histories, Moments(lead, np.full(len(lead), trained.event_log().observed_until_us + 1)))
    assert ((scores.probability >= EDGE) & (scores.probability <= 1 - EDGE)).all()
    low, high = np.array(scores.interval).T
    assert ((low > 0) & (low < high) & (high < 1)).all()


def stages(scorer: Scorer, p: Array) -> list[str]:
    return scorer.judged(p, np.zeros((len(p), 0)), stage_thresholds(scorer.thresholds)).stage


def test_a_stage_begins_exactly_at_its_threshold(scorer: Scorer) -> None:
    mql, sql = (replace(threshold, probability=p) for threshold, p in zip(scorer.thresholds, (0.2, 0.5), strict=True))
    other = copy(scorer)
    other.thresholds = [sql, mql]
    p = np.array([0.0, np.nextafter(0.2, 0), 0.2, np.nextafter(0.5, 0), 0.5, 1.0])
    assert stages(other, p) == [UNQUALIFIED, UNQUALIFIED, "MQL", "MQL", "SQL", "SQL"]


def test_a_threshold_that_was_refused_qualifies_nobody(scorer: Scorer) -> None:
    other = copy(scorer)
    other.thresholds = [replace(threshold, probability=None) for threshold in scorer.thresholds]
    assert set(stages(other, np.linspace(0, 1, 50))) == {UNQUALIFIED}


@given(
    st.lists(st.tuples(st.sampled_from(["MQL", "SQL", "other"]), st.sampled_from([0.1, 0.2, 0.5])), max_size=4),
    st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.1, 0.2, 0.5])), max_size=20),
)
@settings(deadline=None)
def test_stages_of_many_are_those_of_the_rule(starts: list[tuple[str, float]], p: list[float]) -> None:
    thresholds = [StageThreshold(*start) for start in starts]
    assert first_stages(p, thresholds) == [next_stage(None, one, thresholds) for one in p]


@given(st.lists(st.floats(EDGE, 1 - EDGE), min_size=1, max_size=FEW - 1))
@settings(deadline=None)
def test_intervals_of_few_are_those_of_many(scorer: Scorer, p: list[float]) -> None:
    few, many = np.array(p), np.resize(p, FEW)
    expected = scorer.evidence.interval(few)
    np.testing.assert_allclose(scorer.bands.intervals(few), expected, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(scorer.bands.intervals(many)[: len(p)], expected)


def test_no_moments_are_no_scores(trained: Workspace, scorer: Scorer) -> None:
    none = scorer.score(trained.event_log().bucket(0), Moments(np.empty(0, np.int32), np.empty(0, np.int64)))
    assert len(none.probability) == len(none.stage) == 0
