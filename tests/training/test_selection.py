"""A kind of model is taken where it earns its place on leads that came later, and reported either way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.test_train import PLAN, funnel
from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.recipe.selection import choose, sentence
from training.recipe.train import TrainingPlan, fit_champion, fit_model, split_by_time
from training.samples.log_odds import logit, row_losses
from training.samples.sample import Sample

AUTO = replace(PLAN, model="auto", twin="auto", newest_step="auto")


def test_both_candidates_are_tried_on_the_past_and_told_of_either_way() -> None:
    said: list[str] = []
    split = split_by_time(funnel(), PLAN)
    plan, trials = choose(split.past, AUTO, said.append)
    assert [each.name for each in trials] == ["model = hazard", "twin = yes", "newest_step = yes"]
    assert [plan.model == "hazard", plan.twin == "yes", plan.newest_step == "yes"] == [each.accepted for each in trials]
    assert said == ["comparing kinds of model on the past"]
    assert all("leads that came later" in sentence(each) for each in trials)


@pytest.mark.parametrize(("gain", "taken"), [(2.0, True), (0.5, False), (-2.0, False)])
def test_a_candidate_must_be_better_by_more_than_one_standard_error(
    monkeypatch: pytest.MonkeyPatch, gain: float, taken: bool
) -> None:
    monkeypatch.setattr("training.recipe.selection.gain_and_error", lambda *_: (gain, 1.0, 100))
    monkeypatch.setattr("training.recipe.selection._losses", lambda split, plan: np.zeros(len(split.judged)))
    split = split_by_time(funnel(), PLAN)
    plan, trials = choose(split.past, AUTO)
    expected = ("hazard", "yes", "yes") if taken else ("fixed", "no", "no")
    assert (plan.model, plan.twin, plan.newest_step) == expected
    assert [each.accepted for each in trials] == [taken] * 3


def falling() -> Sample:
    """A funnel of which fewer and fewer leads convert; leads themselves show nothing of it."""
    sample, rng = funnel(leads=3_000), np.random.default_rng(3)
    day = sample.as_of / 86_400e6
    lost = rng.random(3_000)[np.unique(sample.lead, return_inverse=True)[1]] < np.clip(day - 120, 0, None) / 220
    return replace(
        sample,
        y=np.where(lost & (sample.y > 0), 0.0, sample.y),
        event_days=np.where(lost, np.nan, sample.event_days),
    )


def test_the_intercept_steps_after_a_trend_and_is_judged_the_better_for_it() -> None:
    split = split_by_time(falling(), PLAN)
    plan, (trial,) = choose(split.past, replace(PLAN, newest_step="auto"))
    assert trial.name == "newest_step = yes"
    assert trial.accepted
    assert plan.newest_step == "yes"
    with_step, without = (fit_model(split.past, each) for each in (plan, PLAN))
    assert with_step.calibrator_.c < without.calibrator_.c - 0.1
    rows = split.judged
    losses = [
        row_losses(rows.y, logit(each.predict_proba(rows.features)[:, 1])).mean() for each in (with_step, without)
    ]
    assert losses[0] < losses[1]


def test_what_is_named_is_not_tried() -> None:
    split = split_by_time(funnel(), PLAN)
    plan = replace(PLAN, model="hazard", twin="yes")
    assert choose(split.past, plan) == (plan, ())


def test_too_little_data_keeps_the_simpler_kind_and_says_why() -> None:
    said: list[str] = []
    assert choose(funnel(leads=60), AUTO, said.append) == (PLAN, ())
    assert said[-1].startswith("no comparison, the simpler kind is taken: ")


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
    assert not np.isnan(fitted.labels.y).any()
    assert 0.9 * len(set(sample.lead[sample.mature])) < len(fitted.labels.p) <= len(set(sample.lead[sample.mature]))


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
