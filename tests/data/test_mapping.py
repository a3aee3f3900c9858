"""Mappings: mistakes are named with key, value and remedy; every key is documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from data.contract import UsageError
from data.sources.mapping import KEYS, SHIPPED, Mapping, read_mapping

DOCS = Path(__file__).parents[2] / "docs" / "mappings.md"
PLAIN = """
name = "plain"
event_types = ["page_view", "deal_won"]
[events]
lead_id = "lead"
event_type = "type"
occurred_at = "at"
[leads]
lead_id = "lead"
valid_from = "since"
"""


def documented(text: str) -> set[str]:
    """The keys in the first column of the tables."""
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_every_key_is_documented_and_nothing_else() -> None:
    assert len(KEYS) > 25
    assert documented(DOCS.read_text(encoding="utf-8")) == set(KEYS)


def test_a_key_that_is_not_documented_is_caught() -> None:
    assert documented(DOCS.read_text(encoding="utf-8").replace("| `prefixes` |", "| prefixes |")) != set(KEYS)


def test_the_example_of_the_documentation_is_a_mapping(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "crm.toml").write_text(example[1], encoding="utf-8")
    mapping = read_mapping(tmp_path / "crm.toml")
    assert mapping.events[0].columns == ["contact_no", "when", "activity", "result", "quantity", "price"]
    assert mapping.leads[0].columns == ["contact_no", "changed_at", "industry", "country", "employees", "email"]
    assert mapping.profile == {
        "industry": "category",
        "country": "category",
        "has_email": "category",
        "employees": "number",
    }


def test_every_table_of_the_documentation_is_one(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        (tmp_path / "m.toml").write_text(block if "name = " in block else f'name = "x"\n{block}', encoding="utf-8")
        assert read_mapping(tmp_path / "m.toml").events


def test_shipped_mappings_are_sound() -> None:
    names = [path.stem for path in SHIPPED.glob("*.toml")]
    assert {"simulated", "bpic2012", "online_retail"} <= set(names)
    for name in names:
        mapping = read_mapping(name)
        assert mapping.name == name
        assert mapping.vocabulary.types == mapping.event_types


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("occurred_at", "ocurred_at", "events.ocurred_at is no key of a mapping; did you mean occurred_at?"),
        ("[leads]", "[leeds]", "leeds is no key of a mapping; did you mean leads?"),
        (
            '"plain"',
            '"plain"\nlead_id = "x"',
            "lead_id stands in the wrong place; it belongs to [[events]] or ",
        ),
        ('valid_from = "since"', "", "leads: valid_from is missing; add it"),
        ('name = "plain"', "", "name is missing; add it"),
        ('"plain"', '"plain"\ndelimiter = ";;"', "delimiter = ';;': "),
        ('"plain"', '"plain"\ndelimiter = "ü"', "delimiter = 'ü': one ASCII character"),
        ('"plain"', '"plain"\ndelimiter = "\\""', "one ASCII character that is no quote"),
        ('"at"', '"at"\ntime_zone = "Mars/Olympus"', "events.time_zone = 'Mars/Olympus': no IANA time zone"),
        ('"at"', '"at"\ntime_format = "%Q"', "events.time_format = '%Q': no time format; write one like %d.%m.%Y"),
        ('"at"', '"at"\ntime_format = "%d.%m.%Y"', "holds no time zone; set time_zone, or add %z"),
        ('"at"', '"at"\nconstants = { chanel = "web" }', "events.constants.chanel = 'chanel': "),
        ('"at"', '"at"\nvalue = { multiply = [] }', "events.value.multiply"),
        ('event_types = ["page_view", "deal_won"]', "event_types = []", "event_types = []: "),
        ('"since"', '"since"\ncategories = ["valid_from"]', "profile column 'valid_from' has a name that is taken"),
        ('"since"', '"since"\ncategories = ["x"]\nnumbers = ["x"]', "profile column 'x' has a name that is taken"),
        ('"since"', '"since"\ncategories = ["x"]\npersonal = ["x"]', "column 'x' is personal and kept as well"),
        ('"since"', '"since"\npersonal = ["lead"]', "lead_id 'lead' is personal; identify leads by a number"),
        ('"since"', '"since"\n[groups]\nweb = ["page_veiw"]', "names 'page_veiw', which .*; did you mean page_view?"),
        (
            '"since"',
            '"since"\n[[bots]]\nname="b"\ntypes=["page_view"]\nafter="mail"\nseconds=1',
            "bots.b names 'mail', which is not in event_types; add it there",
        ),
        (
            '"since"',
            '"since"\n[[bots]]\nname="b"\ntypes=["page_view"]\nafter="deal_won"\nseconds=0',
            "bots.0.seconds = 0: ",
        ),
        ("[events]", "[events", "is no TOML: "),
    ],
)
def test_a_mistake_is_named_with_key_value_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "plain.toml"
    file.write_text(PLAIN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_mapping(file)
    text = str(caught.value)
    assert text.startswith(f"mapping {file}")
    assert re.search(message if ".*" in message else re.escape(message), text), text
    assert "\n" not in text


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read .*shipped ones: bpic2012, .*, hubspot, .*, simulated"):
        read_mapping("simulatd")
    with pytest.raises(UsageError, match="cannot be read"):
        read_mapping(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "Zürich"'.encode("latin-1"))
    with pytest.raises(UsageError, match="is no TOML"):
        read_mapping(tmp_path / "latin.toml")


def mapping_of(**events: Any) -> Mapping:
    values = tomllib.loads(PLAIN)
    return Mapping(**{**values, "events": {**values["events"], **events}})


def test_only_named_columns_are_read() -> None:
    mapping = mapping_of(event_id=["a", "b"], value={"multiply": ["q", "p"]}, event_type={"columns": ["t", "at"]})
    assert sorted(mapping.events[0].columns) == ["a", "at", "b", "lead", "p", "q", "t"]
    assert mapping.events[0].id_columns == ["a", "b"]
    assert mapping_of().events[0].id_columns == []
