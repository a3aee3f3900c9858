"""The classifier keeps scikit-learn's contract, and what a lead model needs beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from training.artifact.standalone import EDGE
from training.measuring.metrics import measures
from training.model.classifier import LeadConversionClassifier
from training.model.encoding import table_of
from training.samples.log_odds import Array

Check = Callable[[LeadConversionClassifier], None]
SIZE = 3_000


def small(**changes: Any) -> LeadConversionClassifier:
    """A classifier that is quick to fit."""
    return LeadConversionClassifier(**{"n_folds": 2, "max_rounds": 60, "learning_rate": 0.1, "n_jobs": 1, **changes})


def leads(seed: int = 0, n: int = SIZE) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """A frame of mixed types with missing values, labels, and the lead of each row (three rows a lead)."""
    rng = np.random.default_rng(seed)
    country = np.array(["DE", "AT", "CH", None])[rng.choice(4, n, p=[0.5, 0.2, 0.2, 0.1])]
    visits = rng.poisson(3, n).astype(np.float64)
    z = -2 + 0.4 * visits + np.where(country == "DE", 1.0, -0.5)
    y = (rng.random(n) < expit(z)).astype(np.int64)
    visits[rng.random(n) < 0.1] = np.nan
    frame = pd.DataFrame(
        {"visits": visits, "country": country, "noise": rng.normal(size=n), "flag": rng.random(n) < 0.5}
    )
    return frame, y, np.arange(n) // 3


@parametrize_with_checks([LeadConversionClassifier(n_jobs=1)])  # type: ignore[untyped-decorator]  # sklearn has no types
def test_scikit_learn_finds_no_fault(estimator: LeadConversionClassifier, check: Check) -> None:
    check(estimator)


def test_frames_tables_and_arrays_are_the_same_data() -> None:
    frame, y, _ = leads()
    of_frame = small().fit(frame, y).predict_proba(frame)
    table = table_of(frame)
    np.testing.assert_array_equal(small().fit(table, y).predict_proba(table), of_frame)
    numbers = frame[["visits", "noise"]]
    of_numbers = small().fit(numbers, y).predict_proba(numbers)
    array = numbers.to_numpy()
    np.testing.assert_array_equal(small().fit(array, y).predict_proba(array), of_numbers)


def test_it_learns_from_categories_and_from_missing_values() -> None:
    frame, y, _ = leads()
    fresh, truth, _ = leads(seed=1)
    p = small().fit(frame, y).predict_proba(fresh)[:, 1]
    without = small().fit(frame[["visits", "noise"]], y).predict_proba(fresh[["visits", "noise"]])[:, 1]
    weight = np.ones(len(truth))
    assert (
        measures(truth.astype(float), p, weight)["auc"] > measures(truth.astype(float), without, weight)["auc"] + 0.02
    )


def test_a_category_never_seen_counts_as_missing() -> None:
    frame, y, _ = leads()
    model = small().fit(frame, y)
    unseen, missing = frame.assign(country="XX"), frame.assign(country=None).astype({"country": object})
    np.testing.assert_array_equal(model.predict_proba(unseen), model.predict_proba(missing))


def test_a_table_without_a_feature_is_refused_and_one_in_another_order_is_not() -> None:
    frame, y, _ = leads()
    table = table_of(frame)
    model = small().fit(table, y)
    with pytest.raises(KeyError, match="country"):
        model.predict_proba(table.drop_columns(["country"]))
    shuffled = table.select(table.column_names[::-1])
    np.testing.assert_array_equal(model.predict_proba(shuffled), model.predict_proba(table))


def log_odds(model: LeadConversionClassifier, frame: pd.DataFrame) -> Array:
    matrix = model.encoder_.matrix(table_of(frame))
    return np.asarray(np.mean([booster.predict(matrix, raw_score=True) for booster in model.boosters_], axis=0))


def texts(model: LeadConversionClassifier) -> list[str]:
    return [booster.model_to_string() for booster in model.boosters_]


def test_the_same_data_gives_the_same_text_on_any_number_of_threads() -> None:
    frame, y, lead = leads()
    once = small().fit(frame, y, groups=lead, time=lead)
    again = small().fit(frame, y, groups=lead, time=lead)
    threads = small(n_jobs=3).fit(frame, y, groups=lead, time=lead)
    other = small(random_state=1).fit(frame, y, groups=lead, time=lead)
    assert texts(once) == texts(again) == texts(threads)
    assert texts(once) != texts(other)


def test_a_row_of_weight_two_is_that_row_twice() -> None:
    """As far as it should be: rows of a lead stay together, nothing is drawn, and so few values that no bin moves."""
    frame, y, _ = leads(n=600)
    frame = frame[["country", "flag"]].assign(visits=frame["visits"].fillna(0))
    lead, weight = np.arange(len(y)), np.where(np.arange(len(y)) % 3 == 0, 2, 1)
    rows = np.repeat(lead, weight)
    whole = {"row_share": 1.0, "column_share": 1.0, "min_leaf": 1, "twin": False, "rates": False}
    weighted = small(**whole).fit(frame, y, sample_weight=weight, groups=lead, time=lead)
    twice = small(**whole).fit(frame.iloc[rows], y[rows], groups=lead[rows], time=lead[rows])
    np.testing.assert_allclose(log_odds(weighted, frame), log_odds(twice, frame), atol=1e-6)


def test_rows_of_no_weight_have_no_say_in_the_base_rate() -> None:
    X, y = np.zeros((60, 1)), np.array([1] * 20 + [0] * 40)
    weight = np.array([1.0] * 30 + [0.0] * 30)
    p = small().fit(X, y, sample_weight=weight).predict_proba(X)[:, 1]
    np.testing.assert_allclose(p, 20 / 30, rtol=1e-6)


def test_all_rows_of_a_lead_are_held_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The label is an accident of the lead: only a model that saw the lead's other rows can know it."""
    rng = np.random.default_rng(5)
    lead = np.repeat(np.arange(600), 6)
    y, X = rng.integers(0, 2, 600)[lead], np.column_stack([rng.normal(size=600)[lead]])

    def oof_auc() -> float:
        model = small(min_leaf=5, num_leaves=63, max_rounds=200).fit(X, y, groups=lead, time=np.arange(len(y)))
        return float(measures(y.astype(np.float64), expit(model.oof_raw_), np.ones(len(y)))["auc"])

    assert abs(oof_auc() - 0.5) < 0.05
    # Planted fault: rows are dealt out without regard to their lead.
    monkeypatch.setattr(
        "training.model.classifier.fold_of_leads", lambda lead, time, folds: np.arange(len(lead)) % folds
    )
    assert oof_auc() > 0.8


def test_calibration_keeps_the_ranking() -> None:
    frame, y, lead = leads()
    model = small().fit(frame, y, groups=lead, time=np.arange(len(y)))
    model.calibrator_ = type(model.calibrator_)("beta", 1.7, 0.4, -0.8)
    p = model.predict_proba(frame)[:, 1]
    assert (np.diff(p[np.argsort(log_odds(model, frame))]) >= 0).all()


@pytest.mark.parametrize("label", ["separable", "rare"])
def test_nothing_is_impossible_or_certain(label: str) -> None:
    X = np.linspace(-1, 1, 400)[:, np.newaxis]
    y = (X[:, 0] > (0 if label == "separable" else 0.99)).astype(int)
    model = small(learning_rate=1.0, l2=0.0, min_leaf=1, max_rounds=400).fit(
        X, y, groups=np.arange(400), time=np.arange(400)
    )
    p: Array = model.predict_proba(np.array([[-1e30], [0.0], [1e30], [np.nan]]))[:, 1]
    assert ((p >= EDGE) & (p <= 1 - EDGE)).all()


@pytest.mark.parametrize(
    ("y", "message"), [([1] * 40, "1 class"), ([0, 1, 2, 1] * 10, "Only binary classification is supported")]
)
def test_a_target_that_is_not_binary_is_refused(y: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small().fit(np.zeros((40, 1)), y)


def test_an_arrow_table_of_another_length_than_the_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers"):
        small().fit(pa.table({"a": [1.0, 2.0, 3.0]}), [0, 1])
