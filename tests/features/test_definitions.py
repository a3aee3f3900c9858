"""Names derive from the fields: different definitions never share a column, and nothing is typed twice."""

from __future__ import annotations

from typing import get_args

import pytest

from features.kinds import (
    KINDS,
    Age,
    Colleagues,
    ColleagueSpread,
    Count,
    Decayed,
    Definition,
    DistinctTypes,
    Family,
    FirstTouch,
    IgnoredInRow,
    Kind,
    Profile,
    ProfileNumber,
    Trend,
)
from tests.features.leads import CATALOGUE


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        (Count("page_view", 7), "count_page_view_7d"),
        (Count("page_view"), "count_page_view_ever"),
        (Decayed("any", half_life=30), "decayed_any_30d"),
        (Trend("any", 7, 30), "trend_any_7d_30d"),
        (IgnoredInRow("contact", "answer"), "ignored_in_row_contact_answer"),
        (FirstTouch("channel"), "first_touch_channel_any"),
        (DistinctTypes(30), "distinct_types_30d"),
        (Age(), "age"),
        (Profile("industry"), "profile_industry"),
    ],
)
def test_names_are_derived(definition: Definition, name: str) -> None:
    assert definition.name == name


def test_names_differ() -> None:
    assert len({definition.name for definition in CATALOGUE}) == len(CATALOGUE)


def test_every_kind_has_a_docstring_a_kind_and_a_family() -> None:
    assert len(KINDS) >= 17
    for kind in KINDS:
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}("), f"{kind.__name__} has only a generated docstring"
        assert kind.kind in get_args(Kind)
        assert kind.family in get_args(Family)


def test_only_the_profile_is_fit() -> None:
    assert {kind for kind in KINDS if kind.family == "fit"} == {Profile, ProfileNumber, Colleagues, ColleagueSpread}
