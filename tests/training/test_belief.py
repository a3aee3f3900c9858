"""A model that knows the future stops training; one that loses to its own logistic regression is no champion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from data.contract import DataError
from tests.training.test_train import PLAN, funnel
from training.champion_choice import SIMPLE, choose_alias
from training.recipe.belief import check_believable
from training.recipe.train import Judged, judge, split_by_time
from training.samples.sample import Sample


def given_away() -> Sample:
    """A funnel with a column that is written after the outcome."""
    sample, rng = funnel(), np.random.default_rng(1)
    leaked = np.where(np.isnan(sample.y), 0, sample.y) + rng.normal(0, 0.05, len(sample))
    return sample.with_features(sample.features.append_column("score_of_crm", pa.array(leaked, pa.float32())))


def test_a_model_that_knows_the_future_is_refused_until_its_column_is_allowed() -> None:
    model, judged = judge(split_by_time(given_away(), PLAN), PLAN)
    with pytest.raises(DataError, match=r"AUC of (1|0\.99).*'score_of_crm'.*--allow score_of_crm"):
        check_believable(model, judged, {"interest"})
    check_believable(model, judged, {"score_of_crm"})


def test_an_honest_model_is_believed() -> None:
    check_believable(*judge(split_by_time(funnel(), PLAN), PLAN), set())


class _Empty:
    def find(self, name: str) -> None:
        """Nothing is registered yet."""


def worse_than(judged: Judged, name: str, low: float, high: float) -> Judged:
    """The same judgements, but for how the champion stands beside one of the others."""
    judgements = tuple(
        replace(judgement, difference=replace(judgement.difference, value=(low + high) / 2, low=low, high=high))
        if judgement.name == name
        else judgement
        for judgement in judged.evaluation.judgements
    )
    return replace(judged, evaluation=replace(judged.evaluation, judgements=judgements))


@pytest.mark.parametrize(("low", "high", "alias"), [(-0.02, -0.01, "challenger"), (-0.02, 0.001, "champion")])
def test_no_champion_is_surely_worse_than_its_own_logistic_regression(low: float, high: float, alias: str) -> None:
    _, judged = judge(split_by_time(funnel(), PLAN), PLAN)
    decision = choose_alias(_Empty(), "leadscore", worse_than(judged, SIMPLE, low, high))  # type: ignore[arg-type]
    assert decision.alias == alias
    assert (SIMPLE in decision.reason) == (alias == "challenger")
