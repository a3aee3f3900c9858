"""Leads stay together, the future stays ahead: what folds and cuts promise, and that a random split breaks it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from training.samples.folds import JUDGED_OF, before_cut, fold_of_leads, fold_of_rows, hash_of_lead, newest_slice
from training.samples.log_odds import Array

Times = NDArray[np.int64]
Split = Callable[[Times, NDArray[np.str_], int], tuple[NDArray[np.bool_] | Array, Array]]
HISTORIES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), min_size=1, max_size=120)


def rows_of(history: list[tuple[int, int]]) -> tuple[Times, NDArray[np.str_]]:
    """as_of (µs UTC, sorted) and lead of each row, from (lead, day)."""
    ordered = sorted(history, key=lambda row: row[1])
    as_of = np.array([day * US_PER_DAY for _, day in ordered], dtype=np.int64)
    return as_of, np.array([f"L{lead}" for lead, _ in ordered])


def check_split(split: Split, as_of: Times, lead: NDArray[np.str_], cut: int) -> None:
    """Forward and grouped by lead; what is known of labels at the cut is for `Sample.known_at` to say."""
    learn, judged = split(as_of, lead, cut)
    assert (as_of[learn > 0] < cut).all(), "a moment past the cut is learnt from"
    assert (as_of[judged > 0] >= cut).all(), "a moment before the cut is judged"
    assert not set(lead[learn > 0]) & set(lead[judged > 0]), "a lead is on both sides"


@given(history=HISTORIES, day=st.integers(0, 300))
def test_what_is_learnt_lies_before_what_is_judged_and_no_lead_is_on_both_sides(
    history: list[tuple[int, int]], day: int
) -> None:
    check_split(before_cut, *rows_of(history), day * US_PER_DAY)


def random_rows(as_of: Times, lead: NDArray[np.str_], cut: int) -> tuple[NDArray[np.bool_], Array]:
    """The planted fault: four fifths of the rows by chance."""
    learn = np.random.default_rng(0).random(len(as_of)) < 0.8
    return learn, (~learn).astype(np.float64)


def not_grouped(as_of: Times, lead: NDArray[np.str_], cut: int) -> tuple[NDArray[np.bool_], Array]:
    """The planted fault: a lead is learnt from before the cut and judged after it."""
    return as_of < cut, (as_of >= cut).astype(np.float64)


@pytest.mark.parametrize(("split", "fault"), [(random_rows, "past the cut"), (not_grouped, "on both sides")])
def test_a_split_that_leaks_is_caught(split: Split, fault: str) -> None:
    as_of, lead = rows_of([(number, day) for number in range(30) for day in range(number, 250, 14)])
    check_split(before_cut, as_of, lead, 180 * US_PER_DAY)
    with pytest.raises(AssertionError, match=fault):
        check_split(split, as_of, lead, 180 * US_PER_DAY)


def test_the_judged_leads_stand_for_all_that_came_up_after_the_cut() -> None:
    as_of, lead = rows_of([(number, day) for number in range(4_000) for day in (0, 100)])
    learn, judged = before_cut(as_of, lead, 90 * US_PER_DAY)
    assert judged.sum() == pytest.approx((as_of >= 90 * US_PER_DAY).sum(), rel=0.06)
    assert (learn > 0).sum() == pytest.approx(4_000 * (1 - 1 / JUDGED_OF), rel=0.06)
    assert learn.sum() == pytest.approx(4_000, rel=0.06)


def test_leads_that_stay_open_are_not_missing_from_what_is_learnt() -> None:
    """A third of the leads ends before the cut; were the others merely dealt out, it would seem to be more."""
    ends = [(number, day) for number in range(6_000) for day in ((0, 80) if number % 3 else (0,))]
    as_of, lead = rows_of([*ends, *((number, 100) for number in range(6_000) if number % 3)])
    learn, _ = before_cut(as_of, lead, 90 * US_PER_DAY)
    ended = np.array([int(lead_id[1:]) % 3 == 0 for lead_id in lead])
    assert learn[ended & (as_of == 0)].sum() / learn[as_of == 0].sum() == pytest.approx(1 / 3, abs=0.02)


def test_which_leads_judge_depends_on_nothing_but_their_id() -> None:
    as_of, lead = rows_of([(number, day) for number in range(200) for day in (0, 100)])
    _, judged = before_cut(as_of, lead, 90 * US_PER_DAY)
    some = np.isin(lead, [f"L{number}" for number in range(50)])
    _, fewer = before_cut(as_of[some], lead[some], 90 * US_PER_DAY)
    np.testing.assert_array_equal(fewer, judged[some])
    assert 0 < (fewer > 0).sum() < some.sum() / 2


@given(history=HISTORIES, folds=st.integers(1, 5))
def test_a_lead_is_in_one_fold_and_folds_hold_equally_many_leads(history: list[tuple[int, int]], folds: int) -> None:
    as_of, lead = rows_of(history)
    fold = fold_of_leads(lead, as_of, folds)
    assert len({(lead_id, at) for lead_id, at in zip(lead, fold, strict=True)}) == len(set(lead))
    sizes = [len(set(lead[fold == at])) for at in range(folds)]
    assert max(sizes) - min(sizes) <= 1


@given(history=HISTORIES, folds=st.integers(1, 5))
def test_leads_are_dealt_out_in_turn_by_their_first_moment(history: list[tuple[int, int]], folds: int) -> None:
    as_of, lead = rows_of(history)
    order = sorted(set(lead), key=lambda lead_id: (as_of[lead == lead_id].min(), lead_id))
    assert fold_of_leads(lead, as_of, folds).tolist() == [order.index(lead_id) % folds for lead_id in lead]


def test_every_fold_sees_all_of_the_period() -> None:
    as_of, lead = rows_of([(number, number) for number in range(300)])
    fold = fold_of_leads(lead, as_of, 5)
    for at in range(5):
        assert as_of[fold == at].min() < 6 * US_PER_DAY
        assert as_of[fold == at].max() > 293 * US_PER_DAY


@given(y=st.lists(st.integers(0, 1), min_size=1, max_size=60), folds=st.integers(1, 5))
def test_plain_rows_are_dealt_out_by_class(y: list[int], folds: int) -> None:
    fold = fold_of_rows(np.array(y), folds)
    for value in set(y):
        sizes = np.bincount(fold[np.array(y) == value], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_the_newest_slice_holds_its_share_of_the_weight() -> None:
    as_of = np.arange(100, dtype=np.int64)
    assert newest_slice(as_of, np.ones(100), 0.2) == 79
    heavy_end = np.where(as_of >= 90, 10.0, 1.0)
    assert newest_slice(as_of, heavy_end, 0.2) >= 95


def test_a_moment_at_the_cut_is_judged_and_one_before_it_learnt_from() -> None:
    cut = 100 * US_PER_DAY
    as_of = np.array([70 * US_PER_DAY, cut - 1, cut, cut + 1], dtype=np.int64)
    learn, judged = before_cut(as_of, np.array(["a", "b", "c", "d"]), cut)
    assert (learn.tolist(), judged.tolist()) == ([1, 1, 0, 0], [0, 0, 1, 1])


def test_a_lead_with_a_moment_at_the_cut_stands_on_both_sides() -> None:
    cut = 100 * US_PER_DAY
    names = [f"L{number}" for number in range(30)]
    as_of = np.repeat(np.array([cut - US_PER_DAY, cut], dtype=np.int64), 30)
    learn, judged = before_cut(as_of, np.array(names * 2), cut)
    drawn = np.array([hash_of_lead(name) % JUDGED_OF == 0 for name in names])
    assert learn.tolist() == [*np.where(drawn, 0.0, 1.5).tolist(), *[0.0] * 30]
    assert judged.tolist() == [*[0.0] * 30, *np.where(drawn, 3.0, 0.0).tolist()]
