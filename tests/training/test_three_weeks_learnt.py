"""What is learnt from a CRM that changes: a training set holds what was known at each moment, a model what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from data.log.eventlog import EventLog
from features.kinds import Count, Profile, Recency, Sum
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import TrainingSet, build
from features.training_shard import KEYS
from tests.data.changing_crm import (
    AMENDED,
    CHANGED,
    CHANGES,
    DELETED,
    GONE_INTO,
    NEW,
    REDATED,
    SURVIVES,
    WEEKS,
    exported,
    first_week,
    us,
)
from training.model.classifier import LeadConversionClassifier
from training.samples.sample import read_sample

CATALOGUE = (Profile("country"), Profile("stage"), Count("any", None), Recency("became_mql"), Sum("deal_won", None))
TARGET = Target("purchase", ("deal_won",), repeats=True, horizon_days=7)
Key = tuple[str, int]


@dataclass(frozen=True)
class Learnt:
    """Training sets of the first and the third week, and that of a third week in which nothing had changed."""

    first: TrainingSet
    third: TrainingSet
    unchanged: TrainingSet


def made(folder: Path, name: str, until: int) -> TrainingSet:
    log = EventLog.open(folder / "log")
    recipe = Recipe(log.digest, until, log.vocabulary, CATALOGUE, TARGET, MomentPolicy(every_days=1))
    return build(log, recipe, folder / name)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    folder, other = tmp_path_factory.mktemp("changing"), tmp_path_factory.mktemp("unchanged")
    crm, first = first_week(), None
    for number, change in enumerate(CHANGES):
        change(crm)
        exported(crm, folder, number)
        exported(first_week(), other, number)
        first = first or made(folder, "first", us(WEEKS[0], 13))
    assert first is not None
    end = us(date(2025, 4, 23), 1)
    return Learnt(first, made(folder, "third", end), made(other, "unchanged", end))


def rows(of: TrainingSet, features_only: bool = False) -> dict[Key, str]:
    """What stands of each moment."""
    left_out = KEYS if features_only else KEYS[:2]
    table = of.read()
    return {
        (row["lead_id"], row["as_of"]): repr({name: row[name] for name in row if name not in left_out})
        for row in table.to_pylist()
    }


def test_what_was_known_in_the_first_week_is_known_of_it_in_the_third(learnt: Learnt) -> None:
    before, after = rows(learnt.first, features_only=True), rows(learnt.third, features_only=True)
    assert before
    assert before == {key: after.get(key) for key in before}


def test_the_training_set_of_the_third_week_differs_exactly_where_the_crm_changed(learnt: Learnt) -> None:
    unchanged, third = rows(learnt.unchanged), rows(learnt.third)
    differ = {key for key in unchanged.keys() | third.keys() if unchanged.get(key) != third.get(key)}
    assert {lead for lead, _ in differ} == {CHANGED, AMENDED, REDATED, GONE_INTO, SURVIVES, DELETED, NEW}
    assert {lead for lead, _ in unchanged.keys() - third.keys()} == {GONE_INTO, DELETED}
    assert {lead for lead, _ in third.keys() - unchanged.keys()} == {NEW}


def trees(of: TrainingSet) -> str:
    sample = read_sample(of)
    known = sample.of(sample.mature)
    model = LeadConversionClassifier(n_folds=2, max_rounds=10, min_leaf=5, twin=False, rates=False)
    model.fit(known.features, known.y.astype(int), known.weight, known.lead, known.as_of, known.since)
    return "".join(booster.model_to_string() for booster in model.boosters_)


def test_the_model_of_the_third_week_sees_what_changed(learnt: Learnt) -> None:
    third = trees(learnt.third)
    assert third == trees(learnt.third)
    assert "[0:1500]" in third, "the corrected amount"
    assert "[0:1500]" not in trees(learnt.unchanged)
