"""A feature is missed as much as a naive loop says, one that tells nothing is not, and folds look at other leads."""

from __future__ import annotations

from copy import copy

import numpy as np
import pyarrow as pa
import pytest

from tests.training.test_train import PLAN, funnel
from training.model.boosted import Boosted
from training.model.permutation import Shuffled, permutation_importance
from training.recipe.train import Split, fit_model, split_by_time
from training.samples.folds import fold_of_leads
from training.samples.log_odds import logit, row_losses


@pytest.fixture(scope="module")
def split() -> Split:
    return split_by_time(funnel(800), PLAN)


@pytest.fixture(scope="module")
def model(split: Split) -> Boosted:
    return fit_model(split.past, PLAN)


@pytest.fixture(scope="module")
def results(model: Boosted, split: Split) -> tuple[Shuffled, ...]:
    return permutation_importance(model, split.judged)


def test_what_decides_comes_first_in_every_fold_and_noise_does_not(results: tuple[Shuffled, ...]) -> None:
    first, *others = results
    assert first.feature == "interest"
    assert first.is_steady
    assert all(len(result.by_fold) == 2 for result in results)
    assert all(abs(other.mean) < first.mean / 5 for other in others)


def test_it_is_what_a_naive_loop_finds(model: Boosted, split: Split, results: tuple[Shuffled, ...]) -> None:
    """Each row's value is replaced by that of a drawn row; here by all rows, so that nothing is left to chance."""
    rows = split.judged
    fold = fold_of_leads(rows.lead, rows.as_of, 2)
    naive = []
    for nth in range(2):
        part, members = rows.of(fold == nth), copy(model)
        members.boosters_ = model.boosters_[nth::2]
        table, y, weight = part.features, part.y, part.weight
        place = table.column_names.index("interest")
        losses = []
        for value, mass in zip(table.column("interest").to_pylist(), weight, strict=True):
            changed = table.set_column(place, "interest", pa.array([value] * len(table), pa.float32()))
            loss = row_losses(y, logit(members.predict_proba(changed)[:, 1]))
            losses.append((np.average(loss, weights=weight), mass))
        own = np.average(row_losses(y, logit(members.predict_proba(table)[:, 1])), weights=weight)
        naive.append(np.average([loss for loss, _ in losses], weights=[mass for _, mass in losses]) - own)
    found = next(result for result in results if result.feature == "interest")
    np.testing.assert_allclose(found.by_fold, naive, rtol=0.35)


def test_the_same_rows_give_the_same(model: Boosted, split: Split, results: tuple[Shuffled, ...]) -> None:
    assert permutation_importance(model, split.judged) == results
