"""A catalogue compiles, or the error names the feature and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from data.contract import UsageError
from features.compiler import compile_plan
from features.kernel import compute
from features.kinds import (
    Age,
    Count,
    Decayed,
    Definition,
    DistinctTypes,
    FirstTouch,
    IgnoredInRow,
    Profile,
    Sum,
    Trend,
)
from tests.features.leads import CATALOGUE, DAY, START, TYPES, VOCABULARY, histories_of, moments_of
from tests.oracles.features_naive import Event, Lead, Version


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        (
            [Count("pigeon", 7)],
            "feature 'count_pigeon_7d' names events 'pigeon'; known are: any, web, contact, answer, page",
        ),
        ([FirstTouch("channel", "pigeon")], "feature 'first_touch_channel_pigeon' names events 'pigeon'"),
        ([IgnoredInRow("contact", "pigeon")], "feature 'ignored_in_row_contact_pigeon' names events 'pigeon'"),
        ([Count("any", 7), Age(), Count("any", 7)], "feature 'count_any_7d' is defined twice; remove one of them"),
        ([Count("any", 0)], "feature 'count_any_0d': days = 0 must be 1 to 36500 days"),
        ([Sum("any", -3)], "feature 'sum_any_-3d': days = -3 must be 1 to 36500 days"),
        ([DistinctTypes(36_501)], "feature 'distinct_types_36501d': days = 36501 must be 1 to 36500 days"),
        ([Decayed("any", 0)], "feature 'decayed_any_0d': half_life = 0 must be"),
        ([Trend("any", 30, 7)], "feature 'trend_any_30d_7d': short = 30 must be less than long = 7"),
    ],
)
def test_a_feature_that_cannot_be_computed_is_named(definitions: Sequence[Definition], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_plan(definitions, VOCABULARY)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


LEADS = [
    Lead(
        "L",
        [Event(START + d * DAY, START + d * DAY, TYPES[d % 4], "search", d / 4) for d in range(30)],
        [Version(START, {"industry": "retail", "employees": 3.0})],
    )
]


def computed(catalogue: Sequence[Definition]) -> pa.Table:
    return compute(compile_plan(catalogue, VOCABULARY), histories_of(LEADS), moments_of(LEADS, [START + 20 * DAY]))


@pytest.mark.parametrize("definition", CATALOGUE, ids=lambda definition: definition.name)
def test_a_feature_alone_is_what_it_is_among_others(definition: Definition) -> None:
    together = computed(CATALOGUE)
    assert repr(computed([definition]).to_pylist()) == repr(together.select([definition.name]).to_pylist())


def test_the_order_of_definitions_is_the_order_of_columns() -> None:
    backwards = computed(CATALOGUE[::-1])
    assert backwards.column_names == [definition.name for definition in CATALOGUE[::-1]]
    assert repr(backwards.select([definition.name for definition in CATALOGUE]).to_pylist()) == repr(
        computed(CATALOGUE).to_pylist()
    )


def test_an_empty_catalogue_gives_rows_without_columns() -> None:
    assert computed([]).num_columns == 0


def test_a_profile_column_that_the_log_lacks_is_missing() -> None:
    assert computed([Profile("shoe_size")]).to_pylist() == [{"profile_shoe_size": None}]


def test_types_of_the_log_are_found_in_the_vocabulary() -> None:
    plan = compile_plan([Age()], VOCABULARY)
    assert plan.codes(["order", "pigeon", "page_view"]).tolist() == [3, len(TYPES), 0]
    assert plan.codes([]).dtype == np.int32


def test_each_list_of_types_gets_its_own_codes() -> None:
    """The answer before is kept: it must not be given for other types."""
    plan = compile_plan([Count("any", 7)], VOCABULARY)
    types, known = [*TYPES[::-1], "pigeon"], list(VOCABULARY.types)
    expected = [known.index(name) for name in TYPES[::-1]] + [len(known)]
    for _ in range(2):
        assert plan.codes(types).tolist() == expected
        assert plan.codes(known).tolist() == list(range(len(known)))
