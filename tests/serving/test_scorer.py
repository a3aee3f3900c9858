"""The scorer says of a moment what the model says of the same moment in the training set."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from data.histories import Histories
from features.kernel import Moments
from features.training_set import TrainingSet
from serving.scoring.scorer import UNQUALIFIED, Scorer
from serving.trees.predictor import Predictor
from training.artifact.standalone import EDGE
from training.pipeline import predict
from training.samples.sample import Sample, read_sample
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
    lead = np.array([number[each] for each in sample.lead[rows].tolist()], np.int32)
    order = np.lexsort((sample.as_of[rows], lead))
    return Moments(lead[order], sample.as_of[rows][order]), rows[order]


def test_every_training_row_scores_as_it_did(trained: Workspace, scorer: Scorer, sample: Sample) -> None:
    expected = predict(trained.champion().load(), sample)
    log, seen = trained.event_log(), 0
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        moments, rows = moments_of(histories, sample)
        found = scorer.score(histories, moments).probability
        np.testing.assert_allclose(found, expected[rows], rtol=0, atol=1e-12)
        seen += len(rows)
    assert seen == len(sample) > 5_000


def test_a_leaking_row_would_be_seen(trained: Workspace, scorer: Scorer, sample: Sample) -> None:
    """Planted fault: the same leads a fortnight later, as if the future had been known."""
    expected = predict(trained.champion().load(), sample)
    histories = trained.event_log().bucket(0)
    moments, rows = moments_of(histories, sample)
    late = Moments(moments.lead, moments.as_of + 14 * 86_400_000_000)
    assert np.abs(scorer.score(histories, late).probability - expected[rows]).max() > 0.01


def test_probabilities_are_never_certain_and_lie_in_their_interval(trained: Workspace, scorer: Scorer) -> None:
    histories = trained.event_log().bucket(1)
    lead = np.arange(histories.n_leads, dtype=np.int32)
    scores = scorer.score(histories, Moments(lead, np.full(len(lead), trained.event_log().observed_until_us + 1)))
    assert ((scores.probability >= EDGE) & (scores.probability <= 1 - EDGE)).all()
    assert (scores.interval[:, 0] <= scores.probability).all()
    assert (scores.probability <= scores.interval[:, 1]).all()


def test_a_stage_begins_exactly_at_its_threshold(scorer: Scorer) -> None:
    mql, sql = (replace(each, probability=p) for each, p in zip(scorer.thresholds, (0.2, 0.5), strict=True))
    other = copy(scorer)
    other.thresholds = [sql, mql]
    p = np.array([0.0, np.nextafter(0.2, 0), 0.2, np.nextafter(0.5, 0), 0.5, 1.0])
    assert other.stages(p).tolist() == [UNQUALIFIED, UNQUALIFIED, "MQL", "MQL", "SQL", "SQL"]


def test_a_threshold_that_was_refused_qualifies_nobody(scorer: Scorer) -> None:
    other = copy(scorer)
    other.thresholds = [replace(each, probability=None) for each in scorer.thresholds]
    assert set(other.stages(np.linspace(0, 1, 50)).tolist()) == {UNQUALIFIED}


def test_no_moments_are_no_scores(trained: Workspace, scorer: Scorer) -> None:
    none = scorer.score(trained.event_log().bucket(0), Moments(np.empty(0, np.int32), np.empty(0, np.int64)))
    assert len(none.probability) == len(none.stage) == 0
