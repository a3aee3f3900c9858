"""The hazard model learns from open leads without being misled, and what it says of horizons is coherent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from training.artifact.standalone import Line, calibrated, within
from training.calibration.calibrator import IDENTITY, Calibrator, calibrator_of
from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.model.periods import PeriodRows, base_log_odds, ends_of, rows_of, thinned
from training.samples.log_odds import Array

HORIZON = 30
ENDS = ends_of(HORIZON)
SMALL: dict[str, Any] = {
    **{"n_folds": 2, "max_rounds": 200, "learning_rate": 0.1, "column_share": 1.0},
    **{"twin": False, "n_jobs": 1},
}
Made = tuple[pd.DataFrame, Array, Array, NDArray[np.int64], Array]


def leads(n: int = 3_000, seed: int = 0, watched: float = HORIZON) -> Made:
    """Features, days to conversion (NaN: not seen), days watched, leads, and the true probability of the horizon.

    Each moment was watched for a time drawn evenly up to `watched` days, or for the horizon.
    """
    rng = np.random.default_rng(seed)
    lead = np.arange(n) // 2
    interest, country = rng.normal(size=n), np.array(["DE", "AT", None])[rng.choice(3, n)]
    rate = np.exp(interest + 0.5 * (country == "DE") - 1.5) / HORIZON
    event = rng.exponential(1 / rate)
    observed = rng.uniform(0, watched, n) if watched < HORIZON * 2 else np.full(n, float(HORIZON))
    observed = observed.clip(max=HORIZON)
    frame = pd.DataFrame({"interest": interest, "country": country, "noise": rng.normal(size=n)})
    return frame, np.where(event < observed, event, np.nan), observed, lead, 1 - np.exp(-rate * HORIZON)


def fitted(made: Made, **changes: Any) -> HazardClassifier:
    """Not calibrated, because no time is given: what is wrong in the model shall show."""
    return learnt(made, **changes)


def learnt(made: Made, time: ArrayLike | None = None, weight: Array | None = None, **changes: Any) -> HazardClassifier:
    frame, event, observed, lead, _ = made
    model, y = HazardClassifier(**{**SMALL, **changes}), np.isfinite(event).astype(int)
    days: dict[str, Any] = {"event_days": event, "observed_days": observed}
    return model.fit(frame, y, weight, lead, time, horizon_days=HORIZON, **days)


ODDS = st.lists(st.floats(-30, 30), min_size=len(ENDS), max_size=len(ENDS))


@given(ODDS, st.lists(st.floats(0.001, HORIZON), min_size=2, max_size=8), st.tuples(*[st.floats(0.01, 5)] * 2))
@settings(max_examples=400)
def test_a_longer_horizon_is_never_less_probable(
    odds: list[float], days: list[float], slopes: tuple[float, float]
) -> None:
    calibrator: Line = {"a": slopes[0], "b": slopes[1], "c": -0.3}
    p = [calibrated(within(np.array([odds]), ENDS, day), calibrator)[0] for day in sorted(days)]
    assert (np.diff(p) >= -1e-12).all()


@given(ODDS)
@settings(max_examples=200)
def test_to_convert_within_a_horizon_is_not_to_stay_in_every_period(odds: list[float]) -> None:
    for periods, end in enumerate(ENDS, start=1):
        stays = np.prod([1 - expit(odd) for odd in odds[:periods]])
        assert expit(within(np.array([odds]), ENDS, end)[0]) == pytest.approx(1 - stays, abs=1e-12)


@pytest.mark.parametrize("days", [0, -1, HORIZON + 0.1, float("nan")])
def test_a_horizon_that_was_not_learnt_is_refused(days: float) -> None:
    with pytest.raises(ValueError, match="above 0 and up to 30 days"):
        within(np.zeros((1, len(ENDS))), ENDS, days)


def test_all_horizons_agree_with_the_probability_of_the_whole() -> None:
    made = leads(800)
    model = fitted(made)
    model.calibrator_ = Calibrator("beta", 1.3, 0.8, 0.2)
    p = model.predict_within(made[0], [0.5, 3, 7, 18.5, HORIZON])
    np.testing.assert_allclose(p[:, -1], model.predict_proba(made[0])[:, 1], rtol=1e-12)
    assert (np.diff(p, axis=1) >= 0).all()
    assert (p[:, 2] < 0.8 * p[:, -1]).any()


def distance(p: Array, truth: Array) -> float:
    return float(np.mean(truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))))


def test_open_leads_teach_what_they_can_and_do_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    made = leads(12_000, watched=40)
    frame, event, observed, lead, _ = made
    fresh, *_, fresh_truth = leads(3_000, seed=1)
    p = fitted(made).predict_proba(fresh)[:, 1]
    assert abs(p.mean() / fresh_truth.mean() - 1) < 0.06

    def fixed(rows: NDArray[np.bool_]) -> Array:
        y, time = np.isfinite(event[rows]).astype(int), np.flatnonzero(rows)
        model = LeadConversionClassifier(**SMALL).fit(frame[rows], y, groups=lead[rows], time=time)
        p: Array = model.predict_proba(fresh)[:, 1]
        return p

    of_mature, of_lost = fixed(observed >= HORIZON), fixed(np.ones(len(event), np.bool_))
    assert distance(p, fresh_truth) < min(distance(of_mature, fresh_truth), distance(of_lost, fresh_truth))

    # Planted fault: a period that was observed in part counts where a conversion was seen in it.
    def eager(event_days: Array, observed_days: Array, ends: tuple[int, ...], weight: Array) -> PeriodRows:
        return rows_of(event_days, np.where(np.isfinite(event_days), HORIZON, observed_days), ends, weight)

    monkeypatch.setattr("training.model.hazard.rows_of", eager)
    assert fitted(made).predict_proba(fresh)[:, 1].mean() / fresh_truth.mean() > 1.1


def test_what_matters_early_and_what_matters_late_are_kept_apart() -> None:
    """Who is in a hurry converts within the week, and who has time after it: the whole horizon tells them not apart."""
    rng = np.random.default_rng(2)
    hurry, n = rng.random(6_000) < 0.5, 6_000
    event = np.where(rng.random(n) < 0.3, np.where(hurry, rng.uniform(0, 7, n), rng.uniform(7, 30, n)), np.nan)
    frame = pd.DataFrame({"hurry": hurry.astype(float), "noise": rng.normal(size=n)})
    model = fitted((frame, event, np.full(n, float(HORIZON)), np.arange(n), np.zeros(n)))
    within_week, whole = model.predict_within(frame, [7, HORIZON]).T
    assert within_week[hurry].mean() == pytest.approx(0.3, abs=0.03)
    assert within_week[~hurry].mean() < 0.01
    assert whole[hurry].mean() == pytest.approx(whole[~hurry].mean(), abs=0.03)


def test_where_every_outcome_is_known_it_is_as_good_as_the_fixed_model() -> None:
    frame, event, _, lead, _ = made = leads(6_000, watched=1_000)
    fresh, *_, truth = leads(3_000, seed=1)
    y = np.isfinite(event).astype(int)
    fixed = LeadConversionClassifier(**SMALL).fit(frame, y, groups=lead, time=np.arange(len(y)))
    losses = [distance(classifier.predict_proba(fresh)[:, 1], truth) for classifier in (fitted(made), fixed)]
    assert losses[0] < losses[1] + 0.001


def test_a_twin_adds_as_many_trees_of_another_kind_and_changes_the_mean() -> None:
    made = leads(1_500)
    alone, both = fitted(made), fitted(made, twin=True)
    assert len(both.mixes) == len(alone.mixes) == 2
    assert len(both.curves_) == len(both.boosters_), "each booster has the curve of its fold's losses"
    for mix, plain in zip(both.mixes, alone.mixes, strict=True):
        texts = [booster.model_to_string() for booster in mix]
        assert texts[:2] == [booster.model_to_string() for booster in plain]
        assert ["[extra_trees: 1]" in text for text in texts] == [False, False, True, True]
    assert not np.allclose(alone.oof_raw_, both.oof_raw_)


def test_the_same_data_gives_the_same_text_on_any_number_of_threads() -> None:
    made = leads(1_500, watched=40)
    once, again = (fitted(made, n_jobs=jobs) for jobs in (1, 3))
    assert [e.model_to_string() for e in once.boosters_] == [e.model_to_string() for e in again.boosters_]


def test_no_lead_is_judged_by_a_model_that_saw_it() -> None:
    """The label is an accident of the lead, so that out of fold nothing can be known."""
    rng = np.random.default_rng(5)
    lead = np.repeat(np.arange(500), 6)
    event = np.where(rng.integers(0, 2, 500) == 1, 5.0, np.nan)[lead]
    frame = pd.DataFrame({"name": rng.normal(size=500)[lead]})
    made = (frame, event, np.full(len(lead), float(HORIZON)), lead, np.zeros(len(lead)))
    model = fitted(made, min_leaf=5, num_leaves=63, max_rounds=200)
    p, y = expit(model.oof_raw_), np.isfinite(event)
    assert abs(p[y].mean() - p[~y].mean()) < 0.05


def test_too_few_conversions_are_refused() -> None:
    made = leads(60)
    with pytest.raises(ValueError, match="y holds 1 class, 0; two are needed"):
        fitted((made[0], np.full(60, np.nan), *made[2:]))


def rows_learnt_from(model: HazardClassifier) -> int:
    """Of two folds each booster sees the rows of the other."""
    roots = (booster.dump_model()["tree_info"][0]["tree_structure"] for booster in model.boosters_)
    return sum(int(root["internal_count"]) for root in roots)


def test_where_rows_are_many_those_without_a_conversion_are_thinned() -> None:
    made = leads(31_000, watched=1_000)
    model = fitted(made, max_rounds=1, row_share=1.0)
    rows = rows_of(made[1], made[2], ENDS, np.ones(len(made[1])))
    thin = thinned(rows, made[3])
    assert len(thin.label) < 0.7 * len(rows.label)
    assert rows_learnt_from(model) == len(thin.label)
    np.testing.assert_array_equal(model.offsets_, base_log_odds(rows, len(ENDS)))


def test_the_calibrator_is_the_one_that_mature_moments_ask_for_out_of_fold() -> None:
    """Three shallow rounds fall short of what is known, which a calibrator mends."""
    frame, event, observed, lead, _ = made = leads(4_000, watched=40)
    time = np.arange(len(event))
    model = learnt(made, time, max_rounds=3)
    mature = observed >= HORIZON
    assert 0 < mature.sum() < len(event)
    p, y = expit(model.oof_raw_[mature]), np.isfinite(event[mature]).astype(np.float64)
    chosen = calibrator_of(p, y, np.ones(len(y)), time[mature], lead[mature])
    assert chosen != IDENTITY
    # Made of probabilities of which the last digit may be another, by a fit that ends within 1e-15 of the least loss,
    # which leaves a parameter the square root of that.
    calibrator = model.calibrator_
    assert calibrator.name == chosen.name
    assert (calibrator.a, calibrator.b, calibrator.c) == pytest.approx((chosen.a, chosen.b, chosen.c), rel=1e-7)
    weighted = learnt(made, time, np.where(np.isfinite(event), 3.0, 1.0), max_rounds=3)
    assert weighted.predict_proba(frame)[:, 1].mean() > model.predict_proba(frame)[:, 1].mean() * 1.5
    assert fitted(made, max_rounds=3).calibrator_ == IDENTITY, "without times nothing is the newest"


def test_the_classes_are_those_of_a_binary_classifier() -> None:
    frame, *_ = made = leads(1_000, watched=1_000)
    model = fitted(made, max_rounds=60)
    assert model.classes_.tolist() == sorted(set(model.predict(frame))) == [0, 1]


def test_lists_are_learned_from_like_arrays() -> None:
    frame, *arrays, _ = leads(1_000, watched=40)
    event, observed, lead, time = (values.tolist() for values in (*arrays, np.arange(len(frame))))
    model = HazardClassifier(**{**SMALL, "max_rounds": 3})
    y = np.isfinite(arrays[0]).astype(int)
    model.fit(frame, y.tolist(), None, lead, time, event_days=event, observed_days=observed, horizon_days=HORIZON)
    lists = model.predict_proba(frame)
    event, observed, lead, time = (*arrays, np.arange(len(frame)))
    model.fit(frame, y, None, lead, time, event_days=event, observed_days=observed, horizon_days=HORIZON)
    np.testing.assert_array_equal(model.predict_proba(frame), lists)


def test_without_a_mature_moment_there_is_no_calibrator() -> None:
    model = learnt(leads(1_000, watched=29), np.arange(1_000), max_rounds=3)
    assert model.calibrator_ == IDENTITY


def test_two_conversions_are_enough_to_fit() -> None:
    frame, _, observed, *_ = leads(60, watched=1_000)
    event = np.where(np.arange(60) < 2, 5.0, np.nan)
    lead, truth = np.arange(60), np.zeros(60)
    assert len(fitted((frame, event, observed, lead, truth)).boosters_) == 2
    with pytest.raises(ValueError, match="1 conversions were seen"):
        fitted((frame, np.where(np.arange(60) < 1, 5.0, np.nan), observed, lead, truth))


@parametrize_with_checks([HazardClassifier(n_jobs=1)])  # type: ignore[untyped-decorator]  # sklearn has no types
def test_scikit_learn_finds_no_fault(estimator: HazardClassifier, check: Callable[[HazardClassifier], None]) -> None:
    """X and y alone: every row was watched for the whole horizon."""
    check(estimator)


def test_days_that_contradict_what_converted_are_refused_with_their_number() -> None:
    frame, event, observed, *_ = leads(300)
    y = np.isfinite(event).astype(int)
    y[:3] = 1 - y[:3]
    days: dict[str, Any] = {"event_days": event, "observed_days": observed}
    with pytest.raises(ValueError, match=r"contradict y in 3 of 300 rows: .* below horizon_days = 30 where"):
        HazardClassifier(**SMALL).fit(frame, y, horizon_days=HORIZON, **days)
    with pytest.raises(ValueError, match=r"below horizon_days = 1 where"):
        HazardClassifier(**SMALL).fit(frame, np.isfinite(event).astype(int), **days)


def test_classes_have_whatever_names_y_gives_them() -> None:
    frame, event, observed, lead, _ = made = leads(1_000, watched=40)
    y = np.where(np.isfinite(event), "won", "open or lost")
    days: dict[str, Any] = {"event_days": event, "observed_days": observed}
    model = HazardClassifier(**SMALL).fit(frame, y, groups=lead, horizon_days=HORIZON, **days)
    assert model.classes_.tolist() == ["open or lost", "won"]
    np.testing.assert_array_equal(model.predict_proba(frame), fitted(made).predict_proba(frame))
