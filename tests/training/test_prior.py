"""The model for few conversions is a penalised logistic regression, whatever reads its trees; it never does worse than
the base rate on average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from serving.trees.bit_masks import masks_of, predict
from serving.trees.tree_shap import Explained
from serving.trees.trees import forest_of
from training.model.prior import FEATURES, QUANTILES, SPREAD, PriorClassifier, coefficients
from training.samples.independent import independent
from training.samples.log_odds import Array, logit, row_losses

LEADS, MOMENTS = 400, 3
ON_PURPOSE = {
    "check_sample_weight_equivalence_on_dense_data": "weights say what rows count beside each other; what all of them "
    "count beside the prior is the number of leads"
}


def leads(
    count: int, seed: int, signal: float = 1.0
) -> tuple[pa.Table, Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Features, outcomes and leads: the intent of some makes them convert; a tenth of the recency is missing."""
    draw = np.random.default_rng(seed)
    lead = np.repeat(np.arange(count), MOMENTS)
    intent = draw.exponential(1.0, count)[lead] * (draw.random(count) < 0.4)[lead]
    y = (draw.random(count) < expit(-3.2 + signal * intent[::MOMENTS]))[lead].astype(np.float64)
    columns = {name: draw.exponential(1.0, len(lead)) for name in FEATURES}
    columns[FEATURES[0]] = intent + 0.1 * draw.random(len(lead))
    columns["recency_any"][draw.random(len(lead)) < 0.1] = np.nan
    columns["other"] = draw.normal(size=len(lead))
    return pa.table({name: pa.array(values, pa.float32()) for name, values in columns.items()}), y, lead


@parametrize_with_checks([PriorClassifier()], expected_failed_checks=lambda estimator: ON_PURPOSE)  # type: ignore[untyped-decorator]  # sklearn has no types
def test_scikit_learn_finds_no_fault(estimator: PriorClassifier, check: Callable[[PriorClassifier], None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def model() -> PriorClassifier:
    table, y, lead = leads(LEADS, 0)
    return PriorClassifier().fit(table, y.astype(int), groups=lead, time=np.arange(len(y)))


def test_it_agrees_with_the_regression_of_scikit_learn(model: PriorClassifier) -> None:
    table, y, lead = leads(LEADS, 0)
    matrix = model.encoder_.matrix(table)
    steps = np.column_stack([band.steps(matrix) for band in model.bins_])
    assert steps.shape[1] == len(FEATURES) * len(QUANTILES)
    weight = independent(np.ones(len(y)), lead)
    # Centred columns make the pull on the intercept, which scikit-learn does not have, a pull to the base rate.
    centred = steps - np.average(steps, axis=0, weights=weight)
    reference = LogisticRegression(C=SPREAD**2, tol=1e-10, max_iter=10_000).fit(centred, y, sample_weight=weight)
    assert model.coefficients_ == pytest.approx(reference.coef_[0], abs=0.02)
    p = model.predict_proba(table)[:, 1]
    assert np.abs(p - reference.predict_proba(centred)[:, 1]).max() < 0.01


def test_the_trees_say_what_the_regression_says(model: PriorClassifier) -> None:
    table, _, _ = leads(LEADS, 1)
    matrix = model.encoder_.matrix(table)
    expected = model.intercept_ + np.column_stack([band.steps(matrix) for band in model.bins_]) @ model.coefficients_
    assert logit(model.predict_proba(table)[:, 1]) == pytest.approx(expected, abs=1e-9)
    assert np.isnan(matrix).any()


def test_the_server_reads_the_same_from_the_text(model: PriorClassifier) -> None:
    table, _, _ = leads(LEADS, 1)
    matrix = model.encoder_.matrix(table).astype(np.float64)
    text, width = model.boosters_[0].model_to_string(), matrix.shape[1]
    forest = forest_of([text])
    base = float(forest.mean[forest.roots].sum())
    predicted = predict(masks_of(forest, np.zeros(width, np.bool_)), base, (1.0, 1.0, 0.0), matrix)
    assert predicted[:, 0] == pytest.approx(model.boosters_[0].predict(matrix, raw_score=True), abs=1e-12)
    expected = model.boosters_[0].predict(matrix[:50], pred_contrib=True)
    assert Explained([text], width).contributions(matrix[:50]) == pytest.approx(expected, abs=1e-12)


def test_a_tree_cut_elsewhere_would_be_caught(model: PriorClassifier) -> None:
    table, _, _ = leads(LEADS, 1)
    matrix = model.encoder_.matrix(table)
    moved = [type(band)(band.column, tuple(edge + 0.2 for edge in band.edges)) for band in model.bins_]
    wrong = model.intercept_ + np.column_stack([band.steps(matrix) for band in moved]) @ model.coefficients_
    assert np.abs(logit(model.predict_proba(table)[:, 1]) - wrong).max() > 0.05


def test_an_edge_itself_is_below(model: PriorClassifier) -> None:
    bins = model.bins_[0]
    matrix = np.zeros((2, len(model.encoder_.names)))
    matrix[:, bins.column] = [bins.edges[0], np.nextafter(bins.edges[0], np.inf)]
    raw = model.boosters_[0].predict(matrix, raw_score=True)
    assert raw[1] - raw[0] == pytest.approx(model.coefficients_[0])


def test_without_conversions_to_speak_of_it_says_the_base_rate() -> None:
    table, y, lead = leads(200, 2)
    few = np.where(np.arange(len(y)) < 3, 1.0, 0.0)
    p = PriorClassifier().fit(table, few.astype(int), groups=lead).predict_proba(table)[:, 1]
    assert np.ptp(p) < 0.02
    assert p.mean() == pytest.approx(few.mean(), abs=0.01)


def gain(converted: int, seed: int, fit: Callable[[Array, Array, Array], Array] = coefficients) -> float:
    """Log-loss of the base rate minus the model's, on many other leads, learnt from about so many converted leads."""
    table, y, lead = leads(round(converted / 0.08), seed, signal=0.5)
    other, judged, _ = leads(2_000, 10_000 + seed, signal=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.model.prior.coefficients", fit)
        p = PriorClassifier(n_folds=2).fit(table, y.astype(int), groups=lead).predict_proba(other)[:, 1]
    base = np.full(len(judged), logit(np.array([y.mean()]))[0])
    return float((row_losses(judged, base) - row_losses(judged, logit(p))).mean())


@pytest.mark.parametrize("converted", [20, 40, 60])
def test_it_does_no_worse_than_the_base_rate_on_average(converted: int) -> None:
    assert np.mean([gain(converted, seed) for seed in range(8)]) > 0


def test_a_model_without_a_prior_would_do_worse() -> None:
    def free(steps: Array, y: Array, weight: Array) -> Array:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.model.prior.SPREAD", 100.0)
            return coefficients(steps, y, weight)

    assert np.mean([gain(20, seed, free) for seed in range(8)]) < np.mean([gain(20, seed) for seed in range(8)])


def test_out_of_fold_is_blind_to_the_leads_own_outcome() -> None:
    table, y, lead = leads(100, 3)
    one = PriorClassifier().fit(table, y.astype(int), groups=lead)
    turned = np.where(lead == 0, 1 - y, y)
    other = PriorClassifier().fit(table, turned.astype(int), groups=lead)
    assert np.array_equal(one.oof_raw_[lead == 0], other.oof_raw_[lead == 0])
    assert not np.array_equal(one.oof_raw_[lead != 0], other.oof_raw_[lead != 0])


def test_the_same_data_give_the_same_text(model: PriorClassifier) -> None:
    table, y, lead = leads(LEADS, 0)
    again = PriorClassifier().fit(table, y.astype(int), groups=lead, time=np.arange(len(y)))
    assert again.boosters_[0].model_to_string() == model.boosters_[0].model_to_string()
