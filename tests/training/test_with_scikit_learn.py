"""The estimators on a workspace's frame, as users of scikit-learn have them: pipelines, searches, pictures.

The funnel is the demo's, with the same troubles, seed and features, of a quarter of the leads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn import config_context
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.samples.frame import Frame
from workspace import Workspace

SMALL: dict[str, Any] = {"n_folds": 2, "max_rounds": 30, "learning_rate": 0.1, "twin": False, "rates": False}
BY_LEAD = GroupKFold(2)


@pytest.fixture(scope="module")
def frame(trained: Workspace) -> Frame:
    return trained.frame().known


@pytest.fixture(scope="module")
def model(frame: Frame) -> LeadConversionClassifier:
    return LeadConversionClassifier(**SMALL).fit(frame.X, frame.y, frame.weight, groups=frame.lead)


def test_what_the_trees_gained_is_told_by_feature(model: LeadConversionClassifier, frame: Frame) -> None:
    shares = pd.Series(model.feature_importances_, model.feature_names_in_)
    assert shares.index.tolist() == frame.X.columns.tolist()
    assert shares.sum() == pytest.approx(1)
    assert shares.nlargest(5).sum() > 5 / len(shares)


def test_the_last_step_of_a_pipeline_that_leaves_features_out(frame: Frame) -> None:
    chosen = ["profile_seniority", "recency_any", "decayed_any_7d"]
    chooser = make_column_transformer(("passthrough", chosen), verbose_feature_names_out=False)
    pipeline = make_pipeline(chooser.set_output(transform="pandas"), LeadConversionClassifier(**SMALL))
    fitted = pipeline.fit(frame.X, frame.y, leadconversionclassifier__groups=frame.lead)
    assert fitted[-1].feature_names_in_.tolist() == chosen
    base_rate = log_loss(frame.y, np.full(len(frame), frame.y.mean()))
    assert log_loss(frame.y, fitted.predict_proba(frame.X)[:, 1]) < base_rate


def test_a_search_over_a_split_by_lead_and_predictions_out_of_fold(frame: Frame) -> None:
    search = GridSearchCV(LeadConversionClassifier(**SMALL), {"num_leaves": [2, 7]}, scoring="neg_log_loss", cv=BY_LEAD)
    search.fit(frame.X, frame.y, groups=frame.lead)
    assert search.best_params_["num_leaves"] in {2, 7}
    best, data = search.best_estimator_, (frame.X, frame.y)
    unseen = cross_val_predict(best, *data, groups=frame.lead, cv=BY_LEAD, method="predict_proba")[:, 1]
    assert log_loss(frame.y, unseen) < log_loss(frame.y, np.full(len(frame), frame.y.mean()))


def test_the_kind_that_learns_from_open_leads_is_searched_over_and_predicts_out_of_fold(trained: Workspace) -> None:
    """How long a moment was watched goes along row by row; judged are moments whose outcome is known."""
    frame, known = trained.frame(), trained.frame().known
    base_rate = log_loss(known.y, np.full(len(known), known.y.mean()))
    splits = [(past, rows[frame.y[rows].notna()]) for past, rows in BY_LEAD.split(frame.X, groups=frame.lead)]
    search = GridSearchCV(HazardClassifier(**SMALL), {"num_leaves": [2, 7]}, scoring="neg_log_loss", cv=splits)
    search.fit(frame.X, frame.seen, **frame.watched)
    assert -search.best_score_ < base_rate
    model, data = search.best_estimator_, (frame.X, frame.seen)
    follow = {"groups": frame.lead, "params": frame.watched}
    unseen = cross_val_predict(model, *data, cv=BY_LEAD, method="predict_proba", **follow)[:, 1]
    assert log_loss(known.y, unseen[frame.y.notna()]) < base_rate


def test_days_reach_it_by_metadata_routing(trained: Workspace) -> None:
    """Then leads reach the folds within it, too, and it is the model that a plain fit makes."""
    frame = trained.frame()
    everything: dict[str, Any] = {**frame.watched, "groups": frame.lead}
    plain = HazardClassifier(**SMALL).fit(frame.X, frame.seen, **everything)
    with config_context(enable_metadata_routing=True):
        model = HazardClassifier(**SMALL).set_fit_request(**dict.fromkeys(everything, True))
        search = GridSearchCV(model, {"num_leaves": [7]}, cv=BY_LEAD).fit(frame.X, frame.seen, **everything)
    np.testing.assert_array_equal(search.predict_proba(frame.X), plain.predict_proba(frame.X))


def test_an_open_lead_is_not_taken_for_a_lost_one(trained: Workspace) -> None:
    frame = trained.frame()
    still_open = frame.X[frame.censored]

    def said(**watched: Any) -> float:
        model = HazardClassifier(**SMALL).fit(frame.X, frame.seen, groups=frame.lead, **watched)
        return float(model.predict_proba(still_open)[:, 1].mean())

    assert said(**frame.watched) > said()


def test_a_shuffled_feature_that_decides_is_missed(model: LeadConversionClassifier, frame: Frame) -> None:
    strongest = frame.X.columns[int(np.argmax(model.feature_importances_))]
    few = frame.X.sample(2_000, random_state=0)
    missed = permutation_importance(model, few, frame.y[few.index], scoring="neg_log_loss", n_repeats=1, random_state=0)
    by_name = pd.Series(missed.importances_mean, model.feature_names_in_)
    assert by_name[strongest] > 0
    assert by_name[strongest] >= by_name.nlargest(10).min()


def test_a_picture_of_its_calibration(model: LeadConversionClassifier, frame: Frame) -> None:
    axes = Figure().add_subplot()
    shown = CalibrationDisplay.from_estimator(model, frame.X, frame.y, n_bins=4, strategy="quantile", ax=axes)
    assert (np.diff(shown.prob_true) >= 0).all(), "of those with higher probabilities more convert"


def test_what_features_add_by_name(model: LeadConversionClassifier, frame: Frame) -> None:
    few = frame.X.sample(200, random_state=0)
    added = model.contributions(few)
    assert added.index.equals(few.index)
    assert added.columns.tolist() == [*frame.X.columns, "base"]
    np.testing.assert_allclose(expit(added.sum(axis=1)), model.predict_proba(few)[:, 1])
    used = added.columns[:-1][(added.iloc[:, :-1] != 0).any()]
    assert 0 < len(used) < len(frame.X.columns)
    assert set(used) <= set(model.feature_names_in_[model.feature_importances_ > 0])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:shap")  # what its import asks of matplotlib
def test_shap_explains_the_trees_by_the_names_of_features(model: LeadConversionClassifier, frame: Frame) -> None:
    import shap

    few = frame.X.head(200)
    shown = [shap.TreeExplainer(booster)(model.encoded(few)) for booster in model.boosters_]
    assert shown[0].feature_names == frame.X.columns.tolist()
    mean = np.mean([one.values for one in shown], axis=0)
    np.testing.assert_allclose(mean, model.contributions(few).drop(columns="base"), atol=1e-9)


def test_what_features_add_over_all_of_the_horizon(trained: Workspace) -> None:
    frame = trained.frame()
    model = HazardClassifier(**SMALL).fit(frame.X, frame.seen, groups=frame.lead, **frame.watched)
    added = model.contributions(frame.X.head(50))
    np.testing.assert_allclose(expit(added.sum(axis=1)), model.predict_proba(frame.X.head(50))[:, 1])


def test_features_may_have_any_names(frame: Frame) -> None:
    """Of which LightGBM refuses some."""
    names = dict(zip(frame.X.columns[:3], ["größer: {1}, [2]", 'said "no"', "a b\t"], strict=True))
    X = frame.X.iloc[:, :20].rename(columns=names)
    fitted = LeadConversionClassifier(**SMALL).fit(X, frame.y, groups=frame.lead)
    assert fitted.contributions(X.head(2)).columns.tolist() == [*X.columns, "base"]
