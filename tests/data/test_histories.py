"""Histories of some leads are their rows and nothing else, whichever are asked for and however often."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.histories import Histories, Stretches
from tests.features.leads import histories_of
from tests.features.test_population import LEADS
from tests.oracles.features_naive import Lead


def same(actual: Histories, expected: Histories) -> None:
    """Alike in all that a lead has; an array that says nothing of these leads may be there or not."""
    for name in ("starts", "known_at", "occurred_at", "value", "bot"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))
    for codes, names in (("event_type", "types"), ("channel", "channels")):
        said = [[[*getattr(one, names), ""][code] for code in getattr(one, codes)] for one in (actual, expected)]
        assert said[0] == said[1]
    assert actual.lead_ids == expected.lead_ids
    assert actual.profiles.columns.equals(expected.profiles.columns)
    np.testing.assert_array_equal(actual.profiles.valid_from, expected.profiles.valid_from)
    np.testing.assert_array_equal(actual.profiles.starts, expected.profiles.starts)
    if expected.superseded_at is not None:
        np.testing.assert_array_equal(actual.superseded_at, expected.superseded_at)
    if expected.absences is not None and actual.absences is not None:
        np.testing.assert_array_equal(actual.absences.starts, expected.absences.starts)
        np.testing.assert_array_equal(actual.absences.from_at, expected.absences.from_at)
        np.testing.assert_array_equal(actual.absences.until, expected.absences.until)


@given(LEADS, st.lists(st.integers(0, 3), max_size=6))
@settings(max_examples=150)
def test_some_leads_have_the_histories_that_they_have_alone(leads: list[Lead], drawn: list[int]) -> None:
    chosen = [place % len(leads) for place in drawn]
    selected = histories_of(leads).of(np.array(chosen, np.int64))
    same(selected, histories_of([leads[place] for place in chosen]))
    assert (selected.absences is None) == (histories_of(leads).absences is None)
    assert (selected.superseded_at is None) == (histories_of(leads).superseded_at is None)


def test_a_part_of_each_leads_rows_can_be_taken() -> None:
    chosen = Stretches(np.array([3, 0, 7]), np.array([5, 0, 8]))
    assert chosen.starts.tolist() == [0, 2, 2, 3]
    assert chosen.rows.tolist() == [3, 4, 7]
    assert Stretches.of(np.array([0, 2, 5]), np.array([1, 0, 1])).rows.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
