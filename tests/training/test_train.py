"""A model is judged on leads and times that it has not seen, beside baselines, and says what is missing to judge it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from data.contract import US_PER_DAY, DataError, UsageError
from features.labels import LabelWindow
from training.artifact.standalone import calibrated
from training.model.baselines import BASELINES
from training.recipe.plan import Promise, TrainingPlan
from training.recipe.train import THIS, age_groups, fit_champion, fit_model, flow_of, judge, split_by_time, step_of
from training.recipe.tuning import Budget, tune
from training.samples.folds import hash_of_lead
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.sample import Sample
from training.thresholds.rule_types import CapacityRule, PrecisionRule
from training.thresholds.volume import CrossSection, ScoredLabels

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
    names = np.array([f"L{number:05d}" for number in lead])
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
    one, other = (split_by_time(rows, PLAN) for rows in (sample, open_ones))
    assert one.learn.y.sum() == other.learn.y.sum()
    assert len(one.judged) == len(other.judged)
    assert not np.isnan(one.learn.y).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, mature=np.zeros(len(s), bool)), r"no moment is mature: a label is certain 30 days after"),
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
    names = [judgement.name for judgement in judged.evaluation.judgements]
    assert names == [THIS, *BASELINES]
    assert len(said) == 1 + len(BASELINES)
    base = judged.evaluation.judgements[1]
    assert base.difference.low is not None
    assert base.difference.low > 0
    assert sum(part.rows for part in judged.by_age.values()) == len(split.judged)


def test_the_champion_learns_from_every_mature_moment_and_promises_what_was_asked() -> None:
    sample = funnel()
    fitted = fit_champion(sample, PLAN)
    assert len(fitted.model.oof_raw_) == sample.mature.sum()
    assert [(threshold.stage, threshold.rule.kind) for threshold in fitted.thresholds] == [
        ("MQL", "precision"),
        ("SQL", "capacity"),
    ]
    known = len(set(sample.lead[sample.mature]))
    assert 0.9 * known < len(fitted.grounds.labels.p) <= known  # at most one moment a lead: they are independent


def test_ages_are_told_in_groups_that_sort() -> None:
    table = pa.table({"age": pa.array([0.5, 7, 8, 30, 45, 90, 90.5, None], pa.float32())})
    week, month, quarter = "0-7 days", "08-30 days", "31-90 days"
    assert age_groups(table).tolist() == [week, week, month, month, quarter, quarter, "over 90 days", week]


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
    tuned, trials = tune(split.learn, PLAN, Budget(trials=3), say=said.append)
    assert tuned.promises == PLAN.promises
    assert tuned.parameters["max_rounds"] == 40
    assert {"num_leaves", "min_leaf", "l2", "column_share"} <= set(tuned.parameters)
    assert said[-1].startswith("tuning: 3 trials, best forward log-loss")
    assert len(trials) == 3
    assert tune(split.learn, PLAN, Budget(trials=3)) == (tuned, trials), "trials are the seed's, not the machine's"


def test_tuning_too_little_data_keeps_the_plan_and_says_why() -> None:
    said: list[str] = []
    few = funnel(leads=60)
    assert tune(few.of(few.mature), PLAN, Budget(minutes=1), say=said.append) == (PLAN, ())
    assert said[0].startswith("no tuning: ")


def looked_at(days: list[int], leads: list[str], horizon: int = 10, now: int = 200) -> Sample:
    """Moments on these days; those of a lead whose name begins with w convert after five days of their window."""
    rows, day = len(days), np.array(days)
    won = np.array([lead.startswith("w") for lead in leads])
    observed = np.clip(now - day, 0, horizon).astype(np.float64)
    event = np.where(won & (observed > 5), 5.0, np.nan)
    mature = observed >= horizon
    y = np.where(event < horizon, 1.0, np.where(mature, 0.0, np.nan))
    table = pa.table({"x": np.arange(float(rows)), "age": np.arange(float(rows))})
    window = LabelWindow(0, horizon, 0)
    return Sample(table, y, np.full(rows, 2.0), np.array(leads), day * US_PER_DAY, mature, event, observed, window)


def crowd(now: int = 200) -> Sample:
    """Sixty leads that are looked at on days 10, 50, 89, 95, 150 and 196; a third of them converts at each."""
    days = [day for day in (10, 50, 89, 95, 150, 196) for _ in range(60)]
    return looked_at(days, [f"{'w' if lead % 3 == 0 else 'l'}{lead}" for lead in range(60)] * 6, now=now)


def test_either_side_of_a_split_weighs_as_if_no_lead_had_been_dealt_out() -> None:
    """All leads stand on both sides: one in three is judged and counts three times, the others count half more."""
    sample = crowd()
    split = split_by_time(sample, replace(PLAN, newest_share=0.35))
    assert split.cut // US_PER_DAY == 95
    judged = {lead for lead in set(sample.lead.tolist()) if hash_of_lead(lead) % 3 == 0}
    assert set(split.judged.lead.tolist()) == judged
    assert set(split.past.lead.tolist()) == set(sample.lead.tolist()) - judged
    assert set(split.past.weight.tolist()) == {2.0 * 1.5}
    assert set(split.judged.weight.tolist()) == {2.0 * 3.0}


def test_the_past_holds_open_leads_and_what_was_known_of_them_at_the_cut() -> None:
    """Moments of day 89 were watched for six days by then, and those that convert had done so after five."""
    split = split_by_time(crowd(), replace(PLAN, newest_share=0.35))
    open_ = split.past.as_of == 89 * US_PER_DAY
    assert open_.sum() == (split.past.as_of == 10 * US_PER_DAY).sum() > 30
    assert not split.past.mature[open_].any()
    won = np.array([lead.startswith("w") for lead in split.past.lead])
    assert (split.past.y[open_ & won] == 1).all()
    assert np.isnan(split.past.y[open_ & ~won]).all()
    assert set(split.past.observed_days[open_].tolist()) == {6}
    assert split.learn.as_of.max() == 50 * US_PER_DAY


def test_open_leads_of_today_that_came_before_the_cut_are_learnt_from() -> None:
    """Outcomes of day 95 have not settled yet, those of day 150 have: the cut lies behind moments that are open."""
    sample = crowd()
    open_ = sample.as_of == 95 * US_PER_DAY
    unsettled = replace(
        sample,
        mature=sample.mature & ~open_,
        observed_days=np.where(open_, 4.0, sample.observed_days),
        event_days=np.where(open_, np.nan, sample.event_days),
        y=np.where(open_, np.nan, sample.y),
    )
    split = split_by_time(unsettled, replace(PLAN, newest_share=0.2))
    assert split.cut == 150 * US_PER_DAY
    assert (split.past.as_of == 95 * US_PER_DAY).sum() == (split.past.as_of == 89 * US_PER_DAY).sum() > 30
    assert not (split.learn.as_of == 95 * US_PER_DAY).any()


def test_the_gap_of_a_target_is_no_time_to_learn_in() -> None:
    late = replace(crowd(), window=LabelWindow(gap_days=3, horizon_days=10, settle_days=0))
    split = split_by_time(late, replace(PLAN, newest_share=0.35))
    open_ = split.past.as_of == 89 * US_PER_DAY
    assert set(split.past.observed_days[open_].tolist()) == {3}, "six days, less the gap of three"
    assert np.isnan(split.past.y[open_]).all()


def test_a_judge_of_hazards_learns_from_open_leads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.recipe.train.BASELINES", dict([*BASELINES.items()][:1]))  # the others take long
    split = split_by_time(funnel(400), PLAN)
    model, judged = judge(split, replace(PLAN, model="hazard"))
    assert len(model.oof_raw_) == len(split.past) > len(split.learn)
    np.testing.assert_array_equal(judged.p, model.predict_proba(split.judged.features)[:, 1])


def test_thresholds_rest_on_one_out_of_fold_prediction_of_each_lead() -> None:
    sample = funnel(600)
    fitted = fit_champion(sample, replace(PLAN, model="hazard"))
    mature = sample.of(sample.mature)
    p = calibrated(fitted.model.oof_raw_[sample.mature], fitted.model.calibrator_.to_dict())
    rows = one_per_lead(mature.lead, mature.as_of)
    np.testing.assert_array_equal(fitted.grounds.labels.p, p[rows])
    np.testing.assert_array_equal(fitted.grounds.labels.y, mature.y[rows])
    assert np.flatnonzero(fitted.grounds.chosen).tolist() == rows.tolist()
    assert fitted.grounds.story.delay_days == WINDOW
    np.testing.assert_array_equal(fitted.grounds.story.p, p)
    pending = sample.of(~sample.mature)
    assert len(pending)
    np.testing.assert_array_equal(fitted.grounds.pending.p, fitted.model.predict_proba(pending.features)[:, 1])
    np.testing.assert_array_equal(fitted.grounds.pending.as_of, pending.as_of)
    both = np.concatenate([mature.lead, pending.lead])
    numbers = np.concatenate([fitted.grounds.story.lead, fitted.grounds.pending.lead])
    np.testing.assert_array_equal(numbers, np.unique(both, return_inverse=True)[1])
    expected = flow_of(sample, lambda rows: fitted.model.predict_proba(rows.features)[:, 1])
    np.testing.assert_array_equal(fitted.grounds.flow.p, expected.p)


def test_the_flow_is_the_leads_of_twelve_weeks_and_how_many_of_them_were_new() -> None:
    """The newest moment is of day 184: those of day 100 lie twelve weeks back and do not count as recent."""
    days, leads = [40, 100, 101, 150, 150, 184], ["a", "b", "a", "b", "c", "d"]
    sample = looked_at(days, leads)
    seen: list[Sample] = []

    def predict(rows: Sample) -> Array:
        seen.append(rows)
        return np.full(len(rows), 0.25)

    flow = flow_of(sample, predict)
    assert flow.per_week == 2 / 12, "c and d; a and b had been known before"
    recent = sample.of(sample.as_of > 100 * US_PER_DAY)
    chosen = recent.lead[one_per_lead(recent.lead, recent.as_of)]
    assert sorted(seen[0].lead.tolist()) == sorted(chosen.tolist())
    assert flow.p.tolist() == [0.25] * len(chosen)
    nobody_new = flow_of(sample.of(np.isin(sample.lead, ["a", "b"])), predict)
    assert nobody_new.per_week == 1 / 12, "never none: a flow of nothing would allow any threshold"


def test_a_step_after_the_newest_moments_is_taken_where_the_plan_says_so() -> None:
    sample = funnel(600)
    plain, asked = fit_model(sample, PLAN), fit_model(sample, replace(PLAN, newest_step="yes"))
    step = step_of(plain, sample, PLAN)
    assert step != 0
    before, after = (logit(model.predict_proba(sample.features)[:, 1]) for model in (plain, asked))
    np.testing.assert_allclose(after - before, step, atol=1e-9)
    assert asked.calibrator_.name == f"{plain.calibrator_.name}, newest step"


def test_a_promise_is_kept_by_the_rule_that_it_names() -> None:
    labels, flow = (
        ScoredLabels(np.linspace(0.9, 0.1, 200), np.repeat([1.0, 0.0], 100)),
        CrossSection(np.linspace(0.9, 0.1, 50), 10.0),
    )
    mix = Promise("SQL", precision=0.5, confidence=0.9, per_week=2.0).threshold(labels, flow)
    assert (mix.rule, mix.stage) == (PrecisionRule(0.5, 0.9, 2.0), "SQL")
    assert Promise("SQL", value=10.0, cost=1.0).threshold(labels, flow).probability == 0.1
    assert Promise("SQL", per_week=2.0).threshold(labels, flow).rule == CapacityRule(2.0)
    for half in (Promise("SQL", value=10.0), Promise("SQL", cost=1.0), Promise("SQL")):
        with pytest.raises(UsageError, match="capacity 0 must be a positive number"):
            half.threshold(labels, flow)


def test_a_side_needs_five_converted_leads_and_one_that_did_not() -> None:
    """Of the prior, made for few conversions, one is enough."""
    sample = looked_at([10] * 30 + [100] * 30, [f"w{n}" if n < 5 else f"l{n}" for n in range(60)])
    late = np.arange(60) >= 30
    sample = replace(
        sample, lead=np.where(late & (np.arange(60) < 35), np.char.replace(sample.lead, "l", "w"), sample.lead)
    )
    event = np.where(np.char.startswith(sample.lead, "w"), 5.0, np.nan)
    sample = replace(sample, event_days=event, y=np.where(event < 10, 1.0, 0.0))
    plan = replace(PLAN, newest_share=0.45)
    split = split_by_time(sample, plan)
    assert (split.learn.y.sum(), split.judged.y.sum()) == (5, 5)
    fewer = replace(sample, y=np.where(np.arange(60) == 0, 0.0, sample.y),
                    event_days=np.where(np.arange(60) == 0, np.nan, sample.event_days))  # fmt: skip
    with pytest.raises(DataError, match="4 leads converted among 30 moments to learn from; at least 5"):
        split_by_time(fewer, plan)
    assert split_by_time(fewer, replace(plan, model="prior")).learn.y.sum() == 4
