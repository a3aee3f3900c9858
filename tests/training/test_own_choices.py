"""What a user may decide of a training: from when on, what counts how much, and by which metric."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.contract import US_PER_DAY, DataError, UsageError
from data.own_functions import OwnFunction, own_function
from features.training_set import TrainingSet
from settings_file import read_settings
from tests.training.test_train import PLAN, funnel
from training.measuring.own_metrics import measured
from training.measuring.tables import tables
from training.pipeline import train_and_register
from training.recipe.plan import TrainingPlan
from training.recipe.train import fit_baselines, fit_model, judge, split_by_time
from training.recipe.tuning import Budget, tune
from training.registry.registry import Registry
from training.samples.recent import first_moment, recent
from training.samples.sample import Sample
from training.samples.weighting import weighed
from workspace import Workspace

MINE = """
def found_in_a_tenth(y, p, weight):
    first = (-p).argsort()[: len(p) // 10]
    return (weight * y)[first].sum() / (weight * y).sum()


def most_leaves(y, p, weight):
    return len(set(p.round(9)))


def broken(y, p, weight):
    return y[len(y)]


def text(y, p, weight):
    return "good"


def log_loss(y, p, weight):
    return 0


def newer(rows):
    return 2.0 ** ((rows["as_of"] - rows["as_of"].max()).dt.days / 90)


def gone_wrong(rows):
    return rows["interest"].where(rows.index != 6)


def wrong_line(rows):
    return rows["no_such"]


def too_few(rows):
    return rows["age"].head(3)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def of(mine: Path, name: str) -> OwnFunction:
    return own_function(f"mine.py:{name}", mine.parent)


@pytest.mark.parametrize(
    ("since", "newest", "start"),
    [
        ("12 months", "2025-03-31", "2024-03-31"),
        ("1 month", "2025-03-31", "2025-02-28"),
        ("2 years", "2024-02-29", "2022-02-28"),
        ("2 weeks", "2025-01-10", "2024-12-27"),
        ("2024-05-01", "2025-01-10", "2024-05-01"),
    ],
)
def test_moments_count_from_a_day_or_for_a_span_before_the_newest(since: str, newest: str, start: str) -> None:
    at, expected = (int(np.datetime64(day, "us").astype(np.int64)) for day in (newest, start))
    assert first_moment(since, at) == expected


def test_only_moments_since_then_are_learnt_from_and_judged() -> None:
    sample = funnel()
    rows = recent(sample, "200 days")
    start = sample.as_of.max() - 200 * US_PER_DAY
    assert (rows.as_of >= start).all()
    assert len(rows) == (sample.as_of >= start).sum() < len(sample)
    assert recent(sample, "") is sample


def test_a_start_that_leaves_nothing_and_a_table_without_times_are_refused() -> None:
    sample = funnel(leads=50)
    with pytest.raises(DataError, match=r"training.since = '2024-01-01'"):
        recent(sample, "2024-01-01")
    table = Sample.of_labels(sample.features, sample.y, sample.weight, sample.lead, sample.as_of)
    with pytest.raises(UsageError, match=r"training.since = '1 year' needs moments"):
        recent(table, "1 year")


def test_a_weight_moves_what_is_learnt_and_nothing_that_is_measured(mine: Path) -> None:
    """Planted: whoever is of age 15 counts nothing; a model that learns nothing of them says something else of them."""
    split = split_by_time(funnel(), PLAN)
    by_column = replace(PLAN, weighting="age")
    _, judged = judge(split, by_column)
    _, beside = judge(split, PLAN)
    assert not np.allclose(judged.p, beside.p)
    assert judged.evaluation.judgements[1] != judged.evaluation.judgements[0]
    assert judged.evaluation.base_rate == beside.evaluation.base_rate
    assert judged.rows.weight.tolist() == beside.rows.weight.tolist()
    rates = [fit_baselines(split, plan)["base rate"][0] for plan in (PLAN, by_column)]
    age = split.learn.features.column("age").to_numpy()
    assert rates[1] == pytest.approx(np.average(split.learn.y, weights=split.learn.weight * age))
    assert rates[0] == pytest.approx(np.average(split.learn.y, weights=split.learn.weight))
    heavier = replace(split.past, weight=split.past.weight * split.past.features.column("age").to_numpy())
    same = fit_model(heavier, PLAN).predict_proba(split.judged.features)[:, 1]
    np.testing.assert_allclose(np.corrcoef(same, judged.p)[0, 1], 1, atol=0.05)


def test_an_own_rule_weighs_by_time_and_the_mean_stays(mine: Path) -> None:
    sample = funnel(leads=300)
    rows = weighed(sample, of(mine, "newer"))
    assert rows.weight.sum() == pytest.approx(sample.weight.sum())
    old, new = rows.weight[0], rows.weight[-1]
    days = (sample.as_of[-1] - sample.as_of[0]) // US_PER_DAY
    assert new / old == pytest.approx(2.0 ** (days / 90))


def test_a_weight_that_is_none_names_its_row_line_or_the_columns_there_are(mine: Path) -> None:
    sample = funnel(leads=50)
    for weighting, message in (
        ("no_such", r"'no_such' is no column of the training set; numbers are interest, age"),
        ("interest", r"gives -\d.* in \d+ of 100 rows, first in row \d+ \(1970-"),
        (of(mine, "gone_wrong"), r"mine.py:gone_wrong' gives "),
        (of(mine, "wrong_line"), r"mine.py line 32 \(`return rows\[\"no_such\"\]`\): KeyError"),
        (of(mine, "too_few"), r"returned \(3,\), not 100 numbers"),
    ):
        with pytest.raises(UsageError, match=message):
            weighed(sample, weighting)


def test_own_metrics_stand_beside_ours_with_an_interval_for_the_model(mine: Path) -> None:
    split = split_by_time(funnel(), PLAN)
    plan = replace(PLAN, metrics=(of(mine, "found_in_a_tenth"),))
    _, judged = judge(split, plan)
    model, base = judged.evaluation.judgements[:2]
    share = model.metrics["found_in_a_tenth"]
    order = np.argsort(-judged.p)[: len(judged.p) // 10]
    weight, y = judged.rows.weight, judged.rows.y
    assert share.value == pytest.approx((weight * y)[order].sum() / (weight * y).sum())
    assert (share.low or 1) < (share.value or 0) < (share.high or 0)
    assert base.metrics["found_in_a_tenth"].value is not None
    table = next(table for table in tables(judged.evaluation, judged.by_age) if table.title == "By metrics of your own")
    assert table.head == ["prediction", "found_in_a_tenth"]
    assert plan.digest == PLAN.digest, "what is only reported decides no model"


def test_a_broken_metric_names_its_line_and_one_with_our_name_is_refused(mine: Path) -> None:
    rows = np.array([0.0, 1.0]), np.array([0.1, 0.9]), np.ones(2)
    with pytest.raises(
        UsageError, match=r"'mine.py:broken': .*mine.py line 12 \(`return y\[len\(y\)\]`\): IndexError$"
    ):
        measured(of(mine, "broken"), *rows)
    with pytest.raises(UsageError, match="returned a str; return a number"):
        measured(of(mine, "text"), *rows)
    with pytest.raises(UsageError, match="the name 'log_loss' is taken"):
        judge(split_by_time(funnel(leads=400), PLAN), replace(PLAN, metrics=(of(mine, "log_loss"),)))


def test_a_file_that_is_no_python_is_told_before_anything_is_trained(
    mine: Path, trained: Workspace, tmp_path: Path
) -> None:
    mine.write_text("def found(y, p, weight)\n    return 1\n")
    plan, said = replace(PLAN, metrics=(of(mine, "found"),)), list[str]()
    made = TrainingSet.open(trained.training_set_path)
    with pytest.raises(UsageError, match=r"mine.py line 1 \(`def found\(y, p, weight\)`\): SyntaxError"):
        train_and_register(made, plan, Registry(tmp_path / "var"), {}, say=said.append)
    assert not said
    assert not (tmp_path / "var").exists()


def test_tuning_makes_an_own_metric_as_large_as_it_can(mine: Path) -> None:
    split = split_by_time(funnel(leads=600), PLAN)
    plan = replace(PLAN, tuning_metric=of(mine, "most_leaves"))
    tuned, trials = tune(split.learn, plan, Budget(trials=3))
    best = max(trials, key=lambda trial: trial.value)
    assert {trial.measure for trial in trials} == {"most_leaves"}
    assert best.parameters.items() <= tuned.parameters.items()


def test_a_plan_is_another_by_what_decides_it_and_of_old_has_its_old_digest(mine: Path) -> None:
    before = TrainingPlan()
    assert before.digest == "45efb1b5b6d8082fa9c8d984379b44613846a62491272c7f75712fb17404b194"
    other = [
        replace(before, since="12 months"),
        replace(before, weighting="age"),
        replace(before, weighting=of(mine, "newer")),
        replace(before, tuning_metric=of(mine, "found_in_a_tenth")),
    ]
    assert len({plan.digest for plan in [before, *other]}) == 5
    mine.write_text(MINE.replace("/ 90", "/ 30"))
    assert replace(before, weighting=of(mine, "newer")).digest != other[2].digest
    assert list(other[2].own_functions) == ["mine.py:newer"]


def test_settings_name_functions_beside_their_file(mine: Path) -> None:
    config = mine.with_name("mine.toml")
    config.write_text('[training]\nsince = "6 months"\nweight = "mine.py:newer"\nmetrics = ["mine.found_in_a_tenth"]\n')
    plan = read_settings(config).training_plan
    assert (plan.since, plan.weighting, plan.metrics) == (
        "6 months",
        of(mine, "newer"),
        (own_function("mine.found_in_a_tenth", mine.parent),),
    )
