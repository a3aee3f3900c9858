"""The default catalogue is what is committed, is told in two languages, and travels as JSON without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.contract import UsageError
from data.sources.mapping import read_mapping
from data.vocabulary import Vocabulary
from features.catalogue import default_catalogue, from_json, to_json
from features.compiler import LOOKS, compile_plan
from features.feature_wording import in_words
from features.kinds import KINDS, Count, Definition, Kind
from features.labels import Target
from tests.features.leads import CATALOGUE

COMMITTED = Path(__file__).with_name("catalogue_simulated.json")
DOCUMENTED = Path(__file__).parents[2] / "docs" / "features.md"
SIMULATED = read_mapping("simulated")
CONVERSION = Target("conversion", ("deal_won",), closed_by=("deal_lost",))


def simulated_catalogue() -> list[Definition]:
    """What `leadscore features` computes for the simulated funnel and the target `conversion`."""
    (leads,) = SIMULATED.leads
    columns: dict[str, Kind] = dict.fromkeys(leads.categories, "category")
    columns |= dict.fromkeys(leads.numbers, "number")
    return default_catalogue(SIMULATED.vocabulary, columns, CONVERSION.outcomes)


def test_the_default_catalogue_is_the_committed_one(tmp_path: Path) -> None:
    rows = [
        {"name": definition.name, **item}
        for definition, item in zip(simulated_catalogue(), to_json(simulated_catalogue()), strict=True)
    ]
    text = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
    (tmp_path / "now.json").write_text(text, encoding="utf-8")
    assert COMMITTED.read_text(encoding="utf-8") == text, f"if that is meant: cp {tmp_path / 'now.json'} {COMMITTED}"


def test_every_default_feature_is_documented(tmp_path: Path) -> None:
    words = SIMULATED.words
    rows = [
        f"| `{definition.name}` | {in_words(definition, 'en', words)} | {in_words(definition, 'de', words)} |\n"
        for definition in simulated_catalogue()
    ]
    text = DOCUMENTED.read_text(encoding="utf-8")
    head, mark, _ = text.partition("|---|---|---|\n")
    assert mark, f"{DOCUMENTED} has no table"
    (tmp_path / "now.md").write_text(head + mark + "".join(rows), encoding="utf-8")
    assert text == head + mark + "".join(rows), f"if that is meant: cp {tmp_path / 'now.md'} {DOCUMENTED}"


def test_it_has_about_a_hundred_columns_of_different_names() -> None:
    names = [definition.name for definition in simulated_catalogue()]
    assert 80 <= len(names) <= 130
    assert len(set(names)) == len(names)
    compile_plan(simulated_catalogue(), SIMULATED.vocabulary)


def test_outcomes_are_no_features() -> None:
    written = json.dumps(to_json(simulated_catalogue()))
    assert "deal_won" in SIMULATED.event_types
    assert "deal_won" not in written
    assert "deal_lost" not in written


def test_groups_that_hold_an_outcome_are_no_features() -> None:
    words = Vocabulary(("visit", "won"), {"all": ("visit", "won"), "both": ("visit", "visit")})
    names = [definition.name for definition in default_catalogue(words, {}, ("won",))]
    assert "count_both_7d" in names
    assert not [name for name in names if "won" in name or "_all_" in name]


def test_it_comes_back_from_json() -> None:
    for catalogue in (simulated_catalogue(), list(CATALOGUE)):
        assert from_json(json.loads(json.dumps(to_json(catalogue)))) == catalogue


def test_every_kind_is_found() -> None:
    assert len(KINDS) >= 17
    assert {type(definition) for definition in CATALOGUE} == set(KINDS) - set(LOOKS), "the oracles check every kind"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "feature None is of no known kind"),
        ({"feature": "Guess"}, "feature 'Guess' is of no known kind; known are ActiveDays, Age"),
        ({"feature": "Definition"}, "feature 'Definition' is of no known kind"),
        ({"feature": "Count", "event": "a"}, "feature Count has no field 'event'; it has events, days"),
        ({"feature": "Count", "kind": "number"}, "feature Count has no field 'kind'"),
        ({"feature": "Age", "events": "a"}, "feature Age has no field 'events'; it has none"),
        ({"feature": "Count"}, "feature Count lacks a field"),
        ({"feature": "Count", "events": 5}, "feature Count: events = 5 must be a text"),
        (
            {"feature": "Count", "events": "a", "days": "7"},
            "feature Count: days = '7' must be a whole number or nothing",
        ),
        (
            {"feature": "Count", "events": "a", "days": 1.5},
            "feature Count: days = 1.5 must be a whole number or nothing",
        ),
        ({"feature": "Count", "events": "a", "days": True}, "feature Count: days = True must be"),
        (
            {"feature": "LastTouch", "of": "colour"},
            "feature LastTouch: of = 'colour' must be 'event_type' or 'channel'",
        ),
    ],
)
def test_a_feature_that_does_not_exist_is_named(item: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json([{"feature": "Count", "events": "page_view"}, item])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_definition_is_a_value() -> None:
    assert Count("a", 7) == Count("a", 7)
    assert len({Count("a", 7), Count("a", 7), Count("a")}) == 2
