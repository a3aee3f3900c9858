"""A target in JSON: what older recipes and models hold is what is written, and their digests stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.contract import DataError
from data.typed_json import from_json, to_json
from data.vocabulary import Vocabulary
from features.catalogue import default_catalogue
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe, recipe_from

PLAIN = {
    "name": "conversion",
    "events": ["deal_won"],
    "closed_by": ["deal_lost"],
    "requires": [],
    "repeats": False,
    "horizon_days": 30,
    "gap_days": 0,
    "settle_days": 0,
}
TARGET = Target("conversion", ("deal_won",), ("deal_lost",))
WHOLE = replace(TARGET, undone_by=("deal_cancelled",), reopened_by=("deal_reopened",))
TYPES = ("page_view", "deal_won", "deal_lost", "deal_cancelled", "deal_reopened")
RECIPE = Recipe("log", 1, Vocabulary(("deal_won",), {}), (), TARGET, MomentPolicy())


def test_a_target_without_the_newer_keys_is_written_as_ever() -> None:
    assert to_json(TARGET) == PLAIN
    assert from_json(Target, PLAIN, "target") == TARGET


def test_a_recipe_without_the_newer_keys_has_the_digest_that_it_had() -> None:
    assert RECIPE.digest == "123dfed63ce576aac2bf8152753315754a6ac55ea77a9d096cd4217c003dd4b4"
    assert RECIPE.to_json()["target"] == PLAIN


@pytest.mark.parametrize("key", ["undone_by", "reopened_by"])
def test_each_newer_key_travels_and_makes_another_recipe(key: str) -> None:
    values = {**PLAIN, key: ["back"]}
    target = from_json(Target, values, "target")
    assert to_json(target) == values
    other = replace(RECIPE, target=target)
    assert recipe_from(other.to_json()).target == target
    assert other.digest != RECIPE.digest
    with pytest.raises(DataError, match=key):
        from_json(Target, {**PLAIN, key: "back"}, "target")


def test_what_undoes_and_reopens_has_columns_and_outcomes_have_none() -> None:
    names = {definition.name for definition in default_catalogue(Vocabulary(TYPES, {}), {}, WHOLE.outcomes)}
    assert {"count_deal_cancelled_30d", "count_deal_reopened_30d", "count_page_view_30d"} <= names
    assert not {name for name in names if "deal_won" in name or "deal_lost" in name}
