"""What the settings leave open is decided by the data, and by past dates, never by one split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.test_train import PLAN, funnel
from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.recipe.plan import TrainingPlan
from training.recipe.train import fit_champion, fit_model, split_by_time
from training.samples.log_odds import logit, row_losses
from training.samples.sample import Sample


def falling() -> Sample:
    """A funnel of which fewer and fewer leads convert, all year; leads themselves show nothing of it."""
    sample, rng = funnel(leads=3_000), np.random.default_rng(3)
    day = sample.as_of / 86_400e6
    lost = rng.random(3_000)[np.unique(sample.lead, return_inverse=True)[1]] < day / 400
    return replace(
        sample,
        y=np.where(lost & (sample.y > 0), 0.0, sample.y),
        event_days=np.where(lost, np.nan, sample.event_days),
    )


def test_the_intercept_steps_after_a_trend_and_is_judged_the_better_for_it() -> None:
    split = split_by_time(falling(), PLAN)
    with_step, without = (fit_model(split.past, plan) for plan in (replace(PLAN, newest_step="auto"), PLAN))
    (trial,) = with_step.trials_
    assert (trial.name, trial.accepted, without.trials_) == ("newest_step = yes", True, ())
    assert "leads that came later: taken" in trial.in_words()
    assert with_step.calibrator_.c < without.calibrator_.c - 0.1
    rows = split.judged
    losses = [
        row_losses(rows.y, logit(model.predict_proba(rows.features)[:, 1])).mean() for model in (with_step, without)
    ]
    assert losses[0] < losses[1]


def test_what_is_left_open_is_decided_by_what_the_data_tell() -> None:
    sample = funnel(leads=200)
    table = Sample.of_labels(sample.features, np.nan_to_num(sample.y), sample.weight, sample.lead, sample.as_of)
    auto = replace(PLAN, model="auto", twin="auto")
    assert [auto.decided(rows).model for rows in (sample, table)] == ["hazard", "fixed"]
    assert auto.decided(sample).twin == "yes"
    assert PLAN.decided(sample) == PLAN


def test_the_kind_that_is_named_is_fitted_to_what_it_can_learn_from() -> None:
    sample = funnel()
    hazard, fixed = (fit_model(sample, replace(PLAN, model=kind)) for kind in ("hazard", "fixed"))
    assert isinstance(hazard, HazardClassifier)
    assert isinstance(fixed, LeadConversionClassifier)
    assert (len(hazard.oof_raw_), len(fixed.oof_raw_)) == (len(sample), sample.mature.sum())


@pytest.mark.parametrize("kind", ["hazard", "fixed"])
def test_thresholds_and_evidence_rest_on_known_outcomes_alone(kind: str) -> None:
    sample = funnel()
    plan: TrainingPlan = replace(PLAN, model=kind)  # type: ignore[arg-type] # one of its words
    fitted = fit_champion(sample, plan)
    assert not np.isnan(fitted.grounds.labels.y).any()
    assert (
        0.9 * len(set(sample.lead[sample.mature]))
        < len(fitted.grounds.labels.p)
        <= len(set(sample.lead[sample.mature]))
    )


def test_what_was_not_known_at_the_cut_is_not_learnt() -> None:
    sample = funnel()
    split = split_by_time(sample, PLAN)
    assert (split.past.as_of < split.cut).all()
    assert len(split.learn) < len(split.past)
    assert not set(split.past.lead) & set(split.judged.lead)
    day = (split.cut - split.past.as_of) / 86_400e6
    assert (split.past.observed_days <= day).all()
    assert not (split.past.event_days >= day).any()
    later = replace(sample, event_days=np.where(sample.as_of / 86_400e6 + sample.event_days >= split.cut / 86_400e6,
                                                np.nan, sample.event_days))  # fmt: skip
    again = split_by_time(replace(later, y=sample.y), PLAN)
    np.testing.assert_array_equal(again.past.event_days, split.past.event_days)
