"""A matrix cell is what its table cell says: numbers as they are, categories by the map, all else missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.model.encoding import FEWEST_ROWS, MOST_CATEGORIES, Encoder, table_of

VALUES = st.lists(st.sampled_from(["DE", "AT", "CH", None, "", "Ä"]), min_size=1, max_size=60)


def category(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string()).dictionary_encode()])


@given(learnt=VALUES, seen=VALUES)
def test_codes_are_those_of_the_map_and_unseen_values_are_missing(
    learnt: list[str | None], seen: list[str | None]
) -> None:
    encoder = Encoder.fit(pa.table({"country": category(learnt)}), ["country"])
    (known,) = encoder.categories
    codes = encoder.matrix(pa.table({"country": category(seen)}))[:, 0]
    assert known is not None
    for value, code in zip(seen, codes, strict=True):
        if value in known:
            assert code == known.index(value or "")
        else:
            assert np.isnan(code)


@given(values=VALUES)
def test_the_map_holds_frequent_values_the_most_frequent_first(values: list[str | None]) -> None:
    (known,) = Encoder.fit(pa.table({"country": category(values)}), ["country"]).categories
    counts = {value: values.count(value) for value in set(values) - {None}}
    expected = sorted((v for v, n in counts.items() if n >= FEWEST_ROWS), key=lambda v: (-counts[v], str(v)))
    assert list(known or ()) == expected


def test_strings_and_dictionaries_are_the_same_categories() -> None:
    values = ["b"] * 20 + ["a"] * 30 + [None] * 5
    plain, coded = pa.table({"x": pa.array(values, pa.string())}), pa.table({"x": category(values)})
    encoder = Encoder.fit(plain, ["x"])
    assert encoder == Encoder.fit(coded, ["x"])
    np.testing.assert_array_equal(encoder.matrix(plain), encoder.matrix(coded))


def test_a_flood_of_categories_is_cut() -> None:
    values = [f"v{i}" for i in range(300) for _ in range(FEWEST_ROWS)]
    (known,) = Encoder.fit(pa.table({"x": category(values)}), ["x"]).categories
    assert len(known or ()) == MOST_CATEGORIES


def test_numbers_keep_their_value_and_null_is_nan() -> None:
    table = pa.table({"n": pa.array([1, None, -3], pa.int64()), "f": pa.array([0.5, float("nan"), None])})
    matrix = Encoder.fit(table, ["f", "n"]).matrix(table)
    np.testing.assert_array_equal(matrix, np.array([[0.5, 1], [np.nan, np.nan], [np.nan, -3]], np.float32))


def test_columns_are_found_by_name_and_a_missing_one_is_named() -> None:
    table = pa.table({"a": [1.0], "b": [2.0]})
    encoder = Encoder.fit(table, ["a", "b"])
    np.testing.assert_array_equal(encoder.matrix(table.select(["b", "a"])), [[1, 2]])
    with pytest.raises(KeyError, match="b"):
        encoder.matrix(table.select(["a"]))


def test_a_frame_of_mixed_types_becomes_numbers_and_strings() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False, True],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "text": ["a", None, "b"],
            "category": pd.Categorical(["x", "y", None]),
        }
    )
    table = table_of(frame)
    assert [str(kind) for kind in table.schema.types] == ["float", "float", "string", "string"]
    assert table.column("text").to_pylist() == ["a", None, "b"]
    assert table.column("category").to_pylist() == ["x", "y", None]
    np.testing.assert_array_equal(table.column("whole").to_numpy(), np.array([1, np.nan, 3], np.float32))
