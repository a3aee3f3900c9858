"""The one rule of what is visible when: strictly before the moment, and a lead's first version at its creation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.visibility import is_valid, is_visible, visible_version

Rule = Callable[[int, int], bool]
times = st.integers(-(2**61), 2**61)


def breaks_half_open(rule: Rule) -> bool:
    """Whether a rule shows what is known exactly at the moment, or hides what was known before."""
    return bool(rule(1000, 1000)) or not rule(999, 1000) or bool(rule(1001, 1000))


def test_visible_is_what_was_known_strictly_before() -> None:
    assert not breaks_half_open(is_visible)


@pytest.mark.parametrize("planted", [lambda known, as_of: known <= as_of, lambda known, as_of: known < as_of - 1])
def test_a_shifted_edge_is_caught(planted: Rule) -> None:
    assert breaks_half_open(planted)


@given(times, times)
def test_an_event_is_visible_or_lies_ahead(known_at: int, as_of: int) -> None:
    assert bool(is_visible(known_at, as_of)) == (known_at < as_of)


@given(times, times, times)
def test_an_event_counts_from_when_it_is_visible_until_it_is_known_to_be_wrong(known: int, wrong: int, at: int) -> None:
    assert bool(is_valid(known, wrong, at)) == (known < at <= wrong)


@pytest.mark.parametrize(("as_of", "counts"), [(1000, False), (1001, True), (2000, True), (2001, False)])
def test_a_correction_holds_strictly_after_it_became_known(as_of: int, counts: bool) -> None:
    assert bool(is_valid(1000, 2000, as_of)) == counts


small = st.integers(0, 4)


@given(small, small, small)
def test_an_event_is_valid_from_just_after_it_is_known_until_it_is_known_to_be_wrong(
    known_at: int, superseded_at: int, as_of: int
) -> None:
    assert bool(is_valid(known_at, superseded_at, as_of)) == (known_at < as_of <= superseded_at)


def test_events_are_valid_one_by_one() -> None:
    known_at, superseded_at = np.array([1, 1, 5]), np.array([9, 3, 9])
    assert is_valid(known_at, superseded_at, 4).tolist() == [True, False, False]
    assert is_valid(known_at, superseded_at, np.array([10, 3, 6])).tolist() == [False, True, True]


def newest_visible(valid_from: list[int], as_of: int) -> int:
    """Straight from the contract: the newest version before the moment; the first one also at its own."""
    seen = [i for i, since in enumerate(valid_from) if since < as_of or (i == 0 and since == as_of)]
    return seen[-1] if seen else -1


@given(st.lists(st.integers(0, 20), max_size=8).map(sorted), st.integers(-1, 21), st.integers(0, 3))
def test_the_visible_version_is_the_newest_before(valid_from: list[int], as_of: int, others: int) -> None:
    rows = np.array([5] * others + valid_from + [3], dtype=np.int64)
    expected = newest_visible(valid_from, as_of)
    version = visible_version(rows, others, others + len(valid_from), as_of)
    assert version == (expected + others if expected >= 0 else -1)
