"""What columns are called in files, what may be missing in them, and what a mapping says once for all its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.contract import DataError, UsageError
from data.intake.check import check_sources
from data.intake.ingest import ingest
from data.sources.mapping import Mapping, read_mapping
from data.times import time_from_text
from tests.data.exports import NOW, logged
from tests.data.test_shapes import table_in

AT = "2024-01-02T10:00:00Z"
NAMES = {"id": ["ID", "Nummer"], "when": "Zeit"}
EVENTS = {"lead_id": "id", "event_type": "type", "occurred_at": "when", "file": "calls"}
QUERY = 'SELECT id, type, "when" FROM calls'
FORMATS = ("csv", "jsonl", "parquet", "xlsx")


def mapping_of(events: dict[str, Any], **more: Any) -> Mapping:
    return Mapping(name="calls", event_types=("call",), events=events, **more)


def seen(folder: Path) -> list[tuple[Any, ...]]:
    return [(row["lead_id"], row["event_type"], row["occurred_at"]) for row in logged(folder / "log")]


def take(folder: Path, mapping: Mapping, **files: Path) -> None:
    named = {name: [str(path)] for name, path in files.items()}
    ingest(folder / "log", mapping, files=named, clock=lambda: NOW, buckets=2)


@pytest.mark.parametrize("query", [None, QUERY], ids=["columns", "query"])
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("header", [["Nummer", "type", "Zeit"], ["id", "type", "when"], ["ID", "type", "Zeit"]])
def test_a_column_is_found_under_each_of_its_names(
    tmp_path: Path, ending: str, header: list[str], query: str | None
) -> None:
    path = tmp_path / f"calls.{ending}"
    table_in(path, [header, ["1", "call", AT]])
    take(tmp_path, mapping_of(EVENTS | {"query": query}, files={"calls": {"also_called": NAMES}}), calls=path)
    assert seen(tmp_path) == [("1", "call", time_from_text(AT))]


@pytest.mark.parametrize("query", [None, QUERY], ids=["columns", "query"])
@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_its_own_name_counts_before_the_others(tmp_path: Path, ending: str, query: str | None) -> None:
    path = tmp_path / f"calls.{ending}"
    table_in(path, [["Nummer", "id", "type", "when"], ["2", "1", "call", AT]])
    take(tmp_path, mapping_of(EVENTS | {"query": query}, also_called=NAMES), calls=path)
    assert [lead for lead, _, _ in seen(tmp_path)] == ["1"]


def test_a_name_that_is_not_declared_is_still_an_error(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    table_in(path, [["Nr", "type", "when"], ["1", "call", AT]])
    with pytest.raises(DataError, match="has no column 'id'"):
        take(tmp_path, mapping_of(EVENTS, also_called=NAMES), calls=path)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_query_sees_optional_columns_as_empty_ones(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"calls.{ending}"
    table_in(path, [["id", "type", "when"], ["1", "call", AT]])
    asking = EVENTS | {"query": 'SELECT id, coalesce("Kind", type) AS type, "when" FROM calls'}
    with pytest.raises(UsageError, match="Kind"):
        take(tmp_path, mapping_of(asking), calls=path)
    take(tmp_path, mapping_of(asking, files={"calls": {"optional": ["Kind"]}}), calls=path)
    assert [kind for _, kind, _ in seen(tmp_path)] == ["call"]


def test_what_a_mapping_says_of_times_holds_for_tables_that_do_not(tmp_path: Path) -> None:
    table_in(tmp_path / "a.csv", [["id", "type", "when"], ["1", "call", "02.01.2024 11:00"]])
    table_in(tmp_path / "b.csv", [["id", "type", "when"], ["2", "call", "2024-01-02 10:00"]])
    tables = [EVENTS | {"file": "a"}, EVENTS | {"file": "b", "time_zone": "UTC", "time_format": "%Y-%m-%d %H:%M"}]
    mapping = Mapping(name="m", events=tables, time_zone="Europe/Berlin", time_format="%d.%m.%Y %H:%M")
    take(tmp_path, mapping, a=tmp_path / "a.csv", b=tmp_path / "b.csv")
    assert {time for _, _, time in seen(tmp_path)} == {time_from_text(AT)}


def test_a_zone_from_outside_counts_where_no_table_names_one(tmp_path: Path) -> None:
    text = """name = "m"
event_types = ["call"]
[events]
lead_id = "id"
event_type = "type"
occurred_at = "when"
"""
    (tmp_path / "m.toml").write_text(text)
    assert read_mapping(tmp_path / "m.toml", "Asia/Tokyo").events[0].time_zone == "Asia/Tokyo"
    (tmp_path / "m.toml").write_text(text + 'time_zone = "UTC"\n')
    assert read_mapping(tmp_path / "m.toml", "Asia/Tokyo").events[0].time_zone == "UTC"
    with pytest.raises(UsageError, match="time_zone = 'EST': no IANA time zone"):
        read_mapping(tmp_path / "m.toml", "EST")


def test_a_forgotten_zone_stops_the_ingest_and_a_row_without_one_costs_the_row(tmp_path: Path) -> None:
    """Else the other tables would come in, and what has no times would be missing without a stop."""
    head, unzoned = ["id", "type", "when"], ["2", "call", "2024-01-02 10:00"]
    table_in(tmp_path / "a.csv", [head, ["1", "call", AT]])
    table_in(tmp_path / "b.csv", [head, unzoned, ["3", "call", "2024-01-03"]])
    mapping = Mapping(name="m", event_types=("call",), events=[EVENTS | {"file": "a"}, EVENTS | {"file": "b"}])
    with pytest.raises(DataError, match=r"b.csv row 1: .* has no time zone; .* or give --time-zone; no row fits"):
        take(tmp_path, mapping, a=tmp_path / "a.csv", b=tmp_path / "b.csv")
    assert not (tmp_path / "log" / "log.json").exists()
    table_in(tmp_path / "b.csv", [head, unzoned, ["3", "call", AT]])
    take(tmp_path, mapping, a=tmp_path / "a.csv", b=tmp_path / "b.csv")
    assert {lead for lead, _, _ in seen(tmp_path)} == {"1", "3"}


def test_a_file_that_nobody_reads_is_refused_also_beside_queries(tmp_path: Path) -> None:
    table_in(tmp_path / "calls.csv", [["id", "type", "when"], ["1", "call", AT]])
    files = {"calls": tmp_path / "calls.csv", "type": tmp_path / "calls.csv"}
    with pytest.raises(UsageError, match=r"--file type=…: no table of mapping calls reads 'type'"):
        take(tmp_path, mapping_of(EVENTS | {"query": QUERY}), **files)
    joined = "SELECT c.* FROM calls c, people p WHERE p.id = c.id"
    take(tmp_path, mapping_of(EVENTS | {"query": joined}), calls=files["calls"], people=files["calls"])
    assert len(seen(tmp_path)) == 1


def test_a_query_whose_file_is_not_given_is_left_out_and_told(tmp_path: Path) -> None:
    table_in(tmp_path / "calls.csv", [["id", "type", "when"], ["1", "call", AT]])
    other = EVENTS | {"file": "deals", "query": "SELECT * FROM deals"}
    mapping = Mapping(name="m", event_types=("call",), events=[EVENTS, other])
    report = ingest(
        tmp_path / "log", mapping, files={"calls": [str(tmp_path / "calls.csv")]}, clock=lambda: NOW, buckets=2
    )
    assert (report.idle, report.events.accepted) == (("deals",), 1)


@pytest.mark.parametrize(
    ("values", "doubted"),
    [
        (["Paid Search", "Organic Social"] * 30, False),
        ([f"{first} {last}" for first in ("Ada", "Bob", "Eve") for last in ("Kahn", "Lang", "Metz")], True),
    ],
)
def test_sources_are_no_names_of_people(tmp_path: Path, values: list[str], doubted: bool) -> None:
    rows = [["id", "seen", "by"], *([str(place), AT, value] for place, value in enumerate(values))]
    table_in(tmp_path / "leads.csv", rows)
    mapping = Mapping(name="m", leads={"lead_id": "id", "valid_from": "seen", "categories": ["by"]})
    checked = check_sources(tmp_path / "log", mapping, leads=[str(tmp_path / "leads.csv")], clock=lambda: NOW)
    assert any("who people are" in doubt for doubt in checked.examination.doubts) == doubted
