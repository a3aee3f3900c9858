"""The table in the report is right, says what it does not know, and can be written as JSON."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from training.measuring.evaluation import BANDS, Estimate, against_truth, evaluate, evaluate_groups, realised
from training.measuring.metrics import MEASURES, measures
from training.samples.log_odds import Array, logit


def slice_with_truth(seed: int = 0, leads: int = 800) -> tuple[Array, Array, NDArray[np.int64], Array]:
    """Labels, weights, leads and true probabilities."""
    rng = np.random.default_rng(seed)
    lead = np.repeat(np.arange(leads), 2)
    truth = expit(rng.normal(-1.5, 1.2, leads)[lead])
    return (rng.random(leads)[lead] < truth).astype(np.float64), np.ones(len(lead)), lead, truth


def ends(estimate: Estimate) -> tuple[float, float]:
    """Low and high end of an interval that must be known."""
    if estimate.low is None or estimate.high is None:
        raise AssertionError(f"no interval: {estimate}")
    return estimate.low, estimate.high


def test_every_baseline_stands_beside_the_champion_with_its_paired_difference() -> None:
    y, weight, lead, truth = slice_with_truth()
    evaluation = evaluate(y, weight, lead, {"champion": truth, "base rate": np.full(len(y), y.mean())})
    champion, rival = evaluation.judgements
    assert [champion.name, rival.name] == ["champion", "base rate"]
    assert (champion.difference.value, champion.difference.low, champion.difference.high) == (0, 0, 0)
    assert rival.difference.value == pytest.approx(
        measures(y, np.full(len(y), y.mean()), weight)["log_loss"] - measures(y, truth, weight)["log_loss"]
    )
    assert ends(rival.difference)[0] > 0
    assert set(champion.metrics) == set(MEASURES)
    for metric in champion.metrics.values():
        low, high = ends(metric)
        assert metric.value is not None
        assert low < metric.value < high


def test_counts_are_those_of_the_slice() -> None:
    y, weight, lead, truth = slice_with_truth(1)
    evaluation = evaluate(y, weight, lead, {"champion": truth}, resamples=20)
    assert (evaluation.rows, evaluation.leads, evaluation.positives) == (1600, 800, int(y.sum()))
    assert evaluation.base_rate == pytest.approx(y.mean())
    for parts in (evaluation.bins, evaluation.bands):
        assert sum(part.rows for part in parts) == evaluation.rows
        assert sum(part.rows * (part.observed.value or 0) for part in parts) == pytest.approx(y.sum())


def test_bands_have_fixed_edges() -> None:
    y, weight, lead, truth = slice_with_truth(2)
    evaluation = evaluate(y, weight, lead, {"champion": truth}, resamples=20)
    for band in evaluation.bands:
        assert (band.start, band.end) in set(pairwise(BANDS))
        assert band.start <= band.predicted <= band.end
    inside = (truth >= 0.1) & (truth < 0.2)
    assert next(band.rows for band in evaluation.bands if band.start == 0.1) == inside.sum()


def test_a_probability_on_an_edge_belongs_to_the_band_that_starts_there() -> None:
    evaluation = evaluate(np.zeros(3), np.ones(3), np.arange(3), {"champion": np.array([0.1, 0.2, 1.0])}, resamples=2)
    assert [(band.start, band.rows) for band in evaluation.bands] == [(0.1, 1), (0.2, 1), (0.5, 1)]


def test_a_slice_where_nobody_converted_is_judged_as_far_as_possible() -> None:
    _, weight, lead, truth = slice_with_truth(3)
    evaluation = json.loads(
        json.dumps(evaluate(truth * 0, weight, lead, {"champion": truth}).to_dict(), allow_nan=False)
    )
    metrics = evaluation["judgements"][0]["metrics"]
    assert metrics["auc"] == {"value": None, "low": None, "high": None}
    assert metrics["log_loss"]["low"] < metrics["log_loss"]["value"] < metrics["log_loss"]["high"]


def test_the_same_input_gives_the_same_evaluation() -> None:
    y, weight, lead, truth = slice_with_truth(4)
    one, other = (evaluate(y, weight, lead, {"champion": truth}, resamples=50) for _ in range(2))
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_rows_of_one_lead_are_no_further_evidence_in_a_bin() -> None:
    y, p, weight, one_bin = np.tile([1.0, 0.0], 50), np.full(100, 0.5), np.ones(100), np.zeros(100, dtype=np.int64)
    many = realised(y, p, weight, np.arange(100), one_bin)[0].observed
    few = realised(y, p, weight, np.arange(100) % 20, one_bin)[0].observed
    assert many.value == few.value == 0.5
    assert ends(few)[0] < ends(many)[0] - 0.1


def test_intervals_of_bins_hold_the_truth_in_nineteen_of_twenty() -> None:
    held = []
    for seed in range(40):
        y, weight, lead, truth = slice_with_truth(seed)
        for part in evaluate(y, weight, lead, {"champion": truth}, resamples=2, seed=seed).bins:
            low, high = ends(part.observed)
            held.append(low <= part.predicted <= high)
    assert len(held) == 400
    assert np.mean(held) >= 0.95


def test_groups_are_judged_apart() -> None:
    y, weight, lead, truth = slice_with_truth(5)
    group = np.where(lead % 3 == 0, "older", "newer")
    evaluations = evaluate_groups(group, y, weight, lead, {"champion": truth})
    assert list(evaluations) == ["newer", "older"]
    assert sum(evaluation.positives for evaluation in evaluations.values()) == y.sum()
    older = group == "older"
    value = evaluations["older"].judgements[0].metrics["log_loss"].value
    assert value == pytest.approx(measures(y[older], truth[older], weight[older])["log_loss"])


def test_divergence_is_the_excess_log_loss_over_many_labels() -> None:
    _, weight, _, truth = slice_with_truth(6)
    model = expit(1.3 * logit(truth) + 0.2)
    rng = np.random.default_rng(6)
    labels = [(rng.random(len(truth)) < truth).astype(np.float64) for _ in range(400)]
    comparisons = [against_truth(model, truth, weight, y) for y in labels[:2]]
    excess = [measures(y, model, weight)["log_loss"] - measures(y, truth, weight)["log_loss"] for y in labels]
    assert comparisons[0].divergence == comparisons[1].divergence == pytest.approx(np.mean(excess), rel=0.05)
    assert comparisons[0].true_slope == pytest.approx(1 / 1.3, rel=1e-4)
    assert comparisons[0].best_log_loss != comparisons[1].best_log_loss


def test_the_truth_diverges_from_itself_by_nothing() -> None:
    y, weight, _, truth = slice_with_truth(7)
    comparison = against_truth(truth, truth, weight, y)
    assert comparison.divergence == 0
    assert comparison.log_loss == comparison.best_log_loss
    assert comparison.true_slope == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([])}, "nothing to judge"),
        ({"y": np.array([0.0, np.nan, 1.0])}, "drop censored rows"),
        ({"lead": np.arange(2)}, "lead has 2 rows, the labels have 3"),
        ({"p": np.array([0.1, np.nan, 0.2])}, "'champion' holds values that are no probabilities"),
        ({"p": np.array([0.1, 1.2, 0.2])}, "'champion' holds values that are no probabilities"),
    ],
)
def test_what_cannot_be_judged_is_named(change: dict[str, Array], message: str) -> None:
    given = {"y": np.array([0.0, 0.0, 1.0]), "lead": np.arange(3), "p": np.array([0.1, 0.2, 0.3]), **change}
    with pytest.raises(ValueError, match=message):
        evaluate(given["y"], np.ones(3), given["lead"], {"champion": given["p"]})
