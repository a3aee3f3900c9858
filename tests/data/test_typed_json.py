"""Dataclasses read from JSON are what was written, and what does not fit is refused with its key and its value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import DataError
from data.typed_json import Json, Null, Sparse, from_json, to_json


@dataclass(frozen=True)
class Part:
    """A part of a whole."""

    name: str
    share: float | None


@dataclass(frozen=True)
class Whole:
    """One field of each sort."""

    from_: str
    count: int
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hexed: Annotated[int, Json(lambda text: int(text, 16), hex)] = 0
    note: str | None = None
    written: Null[float] = None
    is_open: bool = False
    later: Sparse[tuple[str, ...]] = ()


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**40), 2**40)
WHOLES = st.builds(
    Whole,
    st.text(),
    st.integers(),
    st.sampled_from(["a", "b"]),
    st.lists(st.builds(Part, st.text(), st.none() | NUMBERS)).map(tuple),
    st.dictionaries(st.text(), st.dictionaries(st.text(), st.text())),
    st.integers(0),
    st.none() | st.text(),
    st.none() | NUMBERS,
    st.booleans(),
    st.lists(st.text()).map(tuple),
)


def test_a_field_that_came_later_is_written_only_where_it_says_something() -> None:
    whole = from_json(Whole, PLAIN, "whole")
    assert whole.later == ()
    assert "later" not in to_json(whole)
    assert to_json(replace(whole, later=("a",)))["later"] == ["a"]


@given(WHOLES)
@settings(deadline=None)
def test_what_is_written_is_read_and_written_again_byte_for_byte(whole: Whole) -> None:
    text = json.dumps(to_json(whole), allow_nan=False)
    again = from_json(Whole, json.loads(text), "whole")
    assert again == whole
    assert json.dumps(to_json(again)) == text


PLAIN: dict[str, Any] = {"from": "x", "count": 3, "kind": "a", "parts": [{"name": "n", "share": 0.5}]}


def test_keys_that_are_missing_have_their_defaults_and_none_is_left_out() -> None:
    whole = from_json(Whole, PLAIN, "whole")
    assert (whole.from_, whole.note, whole.words) == ("x", None, {})
    assert to_json(whole) == {**PLAIN, "words": {}, "hexed": "0x0", "written": None, "is_open": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "3"}, "whole.count is '3'; it has to be a whole number"),
        ({"count": 3.0}, "whole.count is 3.0; it has to be a whole number"),
        ({"count": True}, "whole.count is True; it has to be a whole number"),
        ({"count": None}, "whole.count is None; it has to be a whole number"),
        ({"from": 1}, "whole.from is 1; it has to be a text"),
        ({"kind": "c"}, "whole.kind is 'c'; it has to be one of 'a', 'b'"),
        ({"kind": ["a"]}, "whole.kind is ['a']; it has to be one of 'a', 'b'"),
        ({"parts": {}}, "whole.parts is {}; it has to be a list"),
        ({"parts": [{"name": "n", "share": "x"}]}, "whole.parts[0].share is 'x'; it has to be a number"),
        ({"parts": [{"name": "n", "share": float("nan")}]}, "whole.parts[0].share is nan; it has to be a number"),
        ({"parts": [{"name": "n", "share": float("inf")}]}, "whole.parts[0].share is inf; it has to be a number"),
        ({"parts": [{"name": "n"}]}, "whole.parts[0] lacks 'share'"),
        ({"parts": [7]}, "whole.parts[0] is 7; it has to be an object"),
        ({"words": {"a": 1}}, "whole.words.a is 1; it has to be an object"),
        ({"hexed": "zz"}, "whole.hexed: invalid literal"),
        ({"is_open": 1}, "whole.is_open is 1; it has to be true or false"),
        ({"stranger": 5}, "whole holds 'stranger' = 5, which this version does not know"),
        ({"count": "x" * 1000}, "…; it has to be a whole number"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as refused:
        from_json(Whole, {**PLAIN, **change}, "whole")
    assert message in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="it has to be an object"):
        from_json(Whole, value, "whole")
