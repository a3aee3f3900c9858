"""A model is judged on leads and times that it has not seen, beside baselines, and says what is missing to judge it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.contract import US_PER_DAY, DataError
from features.labels import LabelWindow
from training.model.baselines import BASELINES
from training.recipe.train import Promise, TrainingPlan, age_groups, fit_champion, judge, split_by_time
from training.recipe.tuning import tune
from training.samples.sample import Sample

PLAN = TrainingPlan(
    parameters={"n_folds": 2, "max_rounds": 40, "learning_rate": 0.1, "n_jobs": 1},
    promises=(Promise("MQL", precision=0.1), Promise("SQL", per_week=5)),
)
WINDOW = 30


def funnel(leads: int = 1_500, seed: int = 0) -> Sample:
    """Leads that come up over a year, looked at twice, some of whose outcomes are not known yet."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(0, 365, leads))
    lead, day = np.repeat(np.arange(leads), 2), np.repeat(start, 2) + np.tile([1, 15], leads)
    order = np.argsort(day, kind="stable")
    lead, day = lead[order], day[order]
    interest = rng.normal(size=leads)[lead]
    y = (rng.random(len(lead)) < expit(2 * interest - 1.5)).astype(np.float64)
    mature = day + WINDOW <= 365
    columns = {
        "interest": interest + 0.3 * rng.normal(size=len(lead)),
        "age": np.where(np.arange(len(lead)) % 2, 1.0, 15.0),
        "recency_any": rng.exponential(5, len(lead)),
        "count_any_ever": rng.poisson(4, len(lead)).astype(float),
    }
    features = pa.table({name: pa.array(values, pa.float32()) for name, values in columns.items()})
    names = np.array([f"L{each:05d}" for each in lead])
    observed = np.clip(365.0 - day, 0, WINDOW)
    event = np.where(y == 1, rng.uniform(0, WINDOW, len(lead)), np.nan)
    event = np.where(event < observed, event, np.nan)
    known = np.where(event < WINDOW, 1.0, np.where(mature, 0.0, np.nan))
    return Sample(
        features, known, np.ones(len(lead)), names, day * US_PER_DAY, mature, event, observed, LabelWindow(0, WINDOW, 0)
    )


def test_the_split_is_forward_purged_and_by_lead() -> None:
    split = split_by_time(funnel(), PLAN)
    assert (split.learn.as_of + WINDOW * US_PER_DAY <= split.cut).all()
    assert (split.judged.as_of >= split.cut).all()
    assert not set(split.learn.lead) & set(split.judged.lead)
    assert split.learn.mature.all()
    assert split.judged.mature.all()
    assert len(split.judged) > 200


def test_moments_whose_outcome_is_unknown_are_never_negatives() -> None:
    sample = funnel()
    open_ones = replace(sample, y=np.where(sample.mature, sample.y, 0.0))  # as if they had not converted
    one, other = (split_by_time(each, PLAN) for each in (sample, open_ones))
    assert one.learn.y.sum() == other.learn.y.sum()
    assert len(one.judged) == len(other.judged)
    assert not np.isnan(one.learn.y).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, mature=np.zeros(len(s), bool)), r"no moment is mature: .* 30 days, the moments span"),
        (
            lambda s: replace(s, y=s.y * 0, event_days=s.event_days * np.nan),
            r"0 leads converted among \d+ moments to learn from; at least 5",
        ),
        (lambda s: replace(s, y=s.y * 0 + 1, event_days=np.zeros(len(s))), r"and some that did not are needed"),
    ],
)
def test_what_cannot_be_judged_says_what_is_missing(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(DataError, match=message):
        split_by_time(change(funnel()), PLAN)


def test_the_judge_stands_beside_every_baseline_and_is_better_than_the_base_rate() -> None:
    split = split_by_time(funnel(), PLAN)
    said: list[str] = []
    _, judged = judge(split, PLAN, said.append)
    names = [each.name for each in judged.evaluation.judgements]
    assert names == ["champion", *BASELINES]
    assert len(said) == 1 + len(BASELINES)
    base = judged.evaluation.judgements[1]
    assert base.difference.low is not None
    assert base.difference.low > 0
    assert sum(each.rows for each in judged.by_age.values()) == len(split.judged)


def test_the_champion_learns_from_every_mature_moment_and_promises_what_was_asked() -> None:
    sample = funnel()
    fitted = fit_champion(sample, PLAN)
    assert len(fitted.model.oof_raw_) == sample.mature.sum()
    assert [(each.stage, each.rule.kind) for each in fitted.thresholds] == [("MQL", "precision"), ("SQL", "capacity")]
    known = len(set(sample.lead[sample.mature]))
    assert 0.9 * known < len(fitted.labels.p) <= known  # at most one moment a lead: they are independent


def test_ages_are_told_in_groups_that_sort() -> None:
    table = pa.table({"age": pa.array([0.5, 7, 8, 45, 400, None], pa.float32())})
    expected = ["0-7 days", "0-7 days", "08-30 days", "31-90 days", "over 90 days", "0-7 days"]
    assert age_groups(table).tolist() == expected


def test_a_plan_is_another_when_anything_but_the_threads_is() -> None:
    threads = replace(PLAN, parameters={**PLAN.parameters, "n_jobs": 7})
    seed = replace(PLAN, parameters={**PLAN.parameters, "random_state": 7})
    assert PLAN.digest == threads.digest
    assert (
        len({PLAN.digest, seed.digest, replace(PLAN, promises=()).digest, replace(PLAN, newest_share=0.3).digest}) == 4
    )


def test_tuning_keeps_or_improves_the_plan_and_never_sees_the_newest_slice() -> None:
    split = split_by_time(funnel(), PLAN)
    said: list[str] = []
    tuned = tune(split.learn, PLAN, minutes=0.02, say=said.append)
    assert tuned.promises == PLAN.promises
    assert tuned.parameters["max_rounds"] == 40
    assert {"num_leaves", "min_leaf", "l2", "column_share"} <= set(tuned.parameters)
    assert "trials, best forward log-loss" in said[-1]


def test_tuning_too_little_data_keeps_the_plan_and_says_why() -> None:
    said: list[str] = []
    few = funnel(leads=60)
    assert tune(few.of(few.mature), PLAN, minutes=1, say=said.append) == PLAN
    assert said[0].startswith("no tuning: ")
