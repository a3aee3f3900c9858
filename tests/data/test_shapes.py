"""Exports in the shapes that tools write them in, without SQL: wide tables, nested JSON, spreadsheets, encodings."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import xlsxwriter
from hypothesis import given

from data.contract import DataError, UsageError
from data.ids import NO_ID
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.absences import read_absences
from data.log.eventlog import EventLog
from data.sources.json_documents import elements, json_lines
from data.sources.mapping import Mapping, read_mapping
from data.sources.tables import RESERVED
from tests.data.exports import NOW, logged, rejected

AT = "2024-01-02T10:00:00Z"
US = int(datetime(2024, 1, 2, 10, tzinfo=UTC).timestamp()) * 1_000_000
PLAIN = {"lead_id": "id", "event_type": "type", "occurred_at": "when"}


def events(keys: dict[str, Any], **more: Any) -> Mapping:
    return Mapping(name="shaped", events=keys, **more)


def take(folder: Path, mapping: Mapping, *files: Path, **more: Any) -> IngestReport:
    return ingest(folder / "log", mapping, [str(path) for path in files], clock=lambda: NOW, buckets=2, **more)


def take_leads(folder: Path, keys: dict[str, Any], text: str) -> tuple[IngestReport, list[dict[str, Any]]]:
    (folder / "leads.csv").write_text(text, encoding="utf-8")
    mapping = Mapping(name="shaped", leads={"lead_id": "id", **keys})
    report = ingest(folder / "log", mapping, leads=[str(folder / "leads.csv")], clock=lambda: NOW, buckets=2)
    log = EventLog.open(folder / "log")
    rows = [row for bucket in range(log.n_buckets) for row in log.bucket(bucket).profiles.columns.to_pylist()]
    return report, rows


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def seen(folder: Path, *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in logged(folder / "log")}


WIDE = {
    "lead_id": "Record ID",
    "time_zone": "UTC",
    "constants": {"source": "crm"},
    "from_columns": [
        {"column": "Became an MQL Date", "event_type": "became_mql"},
        {"column": "Close Date", "event_type": "deal_won", "value": "Amount"},
    ],
}
CONTACTS = "Record ID,Became an MQL Date,Close Date,Amount\n1,2024-01-02,,\n2,2024-01-02,2024-02-01,$500\n3,,,\n4,x,,\n"


def test_each_filled_date_column_is_an_event_and_an_empty_one_is_none(tmp_path: Path) -> None:
    report = take(tmp_path, events(WIDE), write(tmp_path / "c.csv", CONTACTS))
    assert seen(tmp_path, "lead_id", "event_type", "value") == {
        ("1", "became_mql", None), ("2", "became_mql", None), ("2", "deal_won", 500.0),
    }  # fmt: skip
    assert (report.events.received, report.events.accepted, report.events.rejected) == (4, 3, 1)
    assert rejected(report) == [("c.csv", 4, "occurred_at 'x' is no time in ISO 8601")]


def test_a_date_that_was_corrected_is_a_version_and_no_second_event(tmp_path: Path) -> None:
    take(tmp_path, events(WIDE), write(tmp_path / "c.csv", CONTACTS))
    again = CONTACTS.replace("1,2024-01-02", "1,2024-01-03")
    report = take(tmp_path, events(WIDE), write(tmp_path / "c.csv", again))
    assert (report.events.accepted, report.events.corrected, report.events.duplicate) == (1, 1, 2)


def test_wide_columns_say_type_and_time_alone() -> None:
    with pytest.raises(ValueError, match="from_columns says type and time; leave event_type and occurred_at out"):
        events(WIDE | {"occurred_at": "x"})
    with pytest.raises(ValueError, match="event_type is missing; add it, or constants"):
        events({"lead_id": "a", "occurred_at": "b"})
    with pytest.raises(ValueError, match="occurred_at is missing; add it, or from_columns"):
        events({"lead_id": "a", "event_type": "b"})


def test_rows_are_chosen_by_what_columns_hold(tmp_path: Path) -> None:
    lines = [
        "id,when,status,test",
        f"1,{AT},done,",
        f"2,{AT}, done ,",
        f"3,{AT},open,",
        f"4,{AT},done,yes",
        f",{AT},open,",
    ]
    keys = {"lead_id": "id", "occurred_at": "when", "constants": {"event_type": "call"}}
    chosen = keys | {"only": {"status": "done"}, "except": {"test": ["yes", "true"]}}
    report = take(tmp_path, events(chosen), write(tmp_path / "e.csv", "\n".join(lines)))
    assert seen(tmp_path, "lead_id", "event_type") == {("1", "call"), ("2", "call")}
    assert (report.events.received, report.events.rejected, report.left_out) == (2, 0, {"events": 3})


def test_empty_cells_can_be_chosen_and_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "e.csv", f"id,when,test\n1,{AT},\n2,{AT},x\n")
    keys = {"lead_id": "id", "occurred_at": "when", "constants": {"event_type": "call"}}
    take(tmp_path, events(keys | {"except": {"test": ""}}), file)
    assert seen(tmp_path, "lead_id") == {("2",)}


def test_a_value_that_is_mapped_to_nothing_leaves_the_row_out(tmp_path: Path) -> None:
    rule = {"columns": ["type"], "values": {"open": "", "done": "call"}, "otherwise": "other"}
    file = write(tmp_path / "e.csv", f"id,type,when\n1,open,{AT}\n2,done,{AT}\n3,x,{AT}\n")
    report = take(tmp_path, events(PLAIN | {"event_type": rule}), file)
    assert seen(tmp_path, "lead_id", "event_type") == {("2", "call"), ("3", "other")}
    assert report.left_out == {"events": 1}


def test_amounts_as_people_write_them_are_values_and_no_form_of_them_costs_the_row(tmp_path: Path) -> None:
    amounts = ['"$1,200.50"', '"1,200"', "€ 5", "50%", "null"]
    rows = "".join(f"{lead},call,{AT},{amount}\n" for lead, amount in enumerate(amounts))
    report = take(
        tmp_path, events(PLAIN | {"value": "amount"}), write(tmp_path / "e.csv", f"id,type,when,amount\n{rows}")
    )
    assert seen(tmp_path, "lead_id", "value") == {("0", 1200.5), ("1", 1200.0), ("2", 5.0), ("3", None), ("4", None)}
    assert (report.events.accepted, report.cells) == (5, {"value … is no number": 1})


@pytest.mark.parametrize(
    ("written", "decimal_comma", "told", "value"),
    [
        ("12,5", False, "value … is a number with a decimal comma; set decimal_comma = true", 12.5),
        ("1.200,50 €", False, "value … is a number with a decimal comma; set decimal_comma = true", 1200.5),
        ("12.5", True, "value … is a number with a decimal point; set decimal_comma = false", 12.5),
        ("$1,200.50", True, "value … is a number with a decimal point; set decimal_comma = false", 1200.5),
    ],
)
def test_a_number_of_the_other_form_is_told_with_the_remedy_that_works(
    tmp_path: Path, written: str, decimal_comma: bool, told: str, value: float
) -> None:
    file = write(tmp_path / "e.csv", f"id;type;when;amount\n1;call;{AT};{written}\n2;call;{AT};5\n")
    one, other = (
        events(PLAIN | {"value": "amount"}, decimal_comma=form) for form in (decimal_comma, not decimal_comma)
    )
    assert take(tmp_path / "wrong", one, file).cells == {told: 1}
    assert take(tmp_path / "right", other, file).cells == {}
    assert seen(tmp_path / "right", "lead_id", "value") == {("1", value), ("2", 5.0)}


def test_profile_columns_of_any_name_are_kept_and_renamed(tmp_path: Path) -> None:
    names = ["Reason", "n", "part", "sort", "known", "content", "why", "cells", "file", "p_x", "#row2", 'a,"b']
    header = ",".join('"' + name.replace('"', '""') + '"' for name in ("id", "since", "lead_id", *names))
    keys = {"valid_from": "since", "categories": ["lead_id", *names], "rename": {"lead_id": "crm id", "n": "number"}}
    report, rows = take_leads(tmp_path, keys, f"{header}\n1,{AT},{','.join(['x'] * (len(names) + 1))}\n")
    assert report.leads.accepted == 1
    expected = ["crm id", *("number" if name == "n" else name for name in names)]
    assert rows == [dict.fromkeys(expected, "x")]


@pytest.mark.parametrize("name", [*RESERVED, "Lead_ID"])
def test_a_name_that_the_log_uses_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' has a name that is taken; add rename = "):
        Mapping(name="x", leads={"lead_id": "id", "valid_from": "at", "categories": [name]})


def test_renamed_columns_keep_their_meaning_in_snapshots(tmp_path: Path) -> None:
    keys = {"snapshot": True, "created_at": "since", "categories": ["Branche"], "numbers": ["Köpfe"],
            "rename": {"Branche": "industry", "Köpfe": "employees"}, "unchanging": ["Branche"]}  # fmt: skip
    _, rows = take_leads(tmp_path, keys, f"id,since,Branche,Köpfe\n1,{AT},Stahl,7\n")
    assert rows == [{"industry": "Stahl", "employees": None}, {"industry": "Stahl", "employees": 7.0}]


def test_a_bad_cell_of_a_profile_costs_the_cell(tmp_path: Path) -> None:
    keys = {"snapshot": True, "created_at": "since", "categories": ["kind"], "numbers": ["size"], "account_id": "firm"}
    text = (
        f"id,since,kind,size,firm\n1,1900-01-01T00:00:00Z,{'k' * 201},many,1.2E+11\n2,{AT},null,N/A,f\n3,{AT},c,7,f\n"
    )
    report, _ = take_leads(tmp_path, keys, text)
    assert (report.leads.accepted, report.leads.rejected) == (3, 0)
    assert report.cells == {
        "account_id … has lost digits (a spreadsheet took the id for a number); export it as text": 1,
        "created_at … is a null date; if it is meant, set earliest": 1,
        "kind has too many characters, 200 are allowed": 1,
        "size … is no number": 1,
    }


def test_null_dates_are_told_and_kept_out_unless_they_are_meant(tmp_path: Path) -> None:
    dates = ["0001-01-01", "1900-01-01", "1899-12-30", "1970-01-01", "1989-12-31", "1990-01-01", "2024-01-02"]
    text = "id,since\n" + "".join(f"{number},{day}\n" for number, day in enumerate(dates))
    keys = {"valid_from": "since", "time_zone": "UTC", "dates_are": "start"}
    report, rows = take_leads(tmp_path, keys, text)
    assert report.reasons == {"valid_from … is a null date; if it is meant, set earliest": 5}
    assert len(rows) == 2
    report, rows = take_leads(tmp_path, keys | {"earliest": "1899-01-01"}, text)
    assert report.reasons == {"valid_from … is a null date; if it is meant, set earliest": 1}
    assert len(rows) == 6


@pytest.mark.parametrize("name", ["EST", "CET", "MST", "EST5EDT", "PST", "Berlin"])
def test_abbreviations_are_no_time_zones(name: str) -> None:
    with pytest.raises(
        ValueError, match="no IANA time zone of a place; write one like Europe/Berlin or America/New_York"
    ):
        events(PLAIN | {"time_zone": name})


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+5", "America/Argentina/Ushuaia"])
def test_time_zones_of_places_are(name: str) -> None:
    assert events(PLAIN | {"time_zone": name}).events[0].time_zone == name


@pytest.mark.parametrize("damaged", ["1.23457E+11", "1,23457E+11", "1E+05", "1.2e+20"])
def test_ids_that_a_spreadsheet_damaged_are_refused(tmp_path: Path, damaged: str) -> None:
    file = write(tmp_path / "e.csv", f'id,type,when\n"{damaged}",call,{AT}\n0001,call,{AT}\nXE+1,call,{AT}\n')
    report = take(tmp_path, events(PLAIN), file)
    assert seen(tmp_path, "lead_id") == {("0001",), ("XE+1",)}
    reason = f"lead_id '{damaged}' has lost digits (a spreadsheet took the id for a number); export it as text"
    assert rejected(report) == [("e.csv", 1, reason)]
    report = take(tmp_path, events(PLAIN | {"as_is": ["id"]}), file)
    assert damaged in {lead for (lead,) in seen(tmp_path, "lead_id")}


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "xlsx"])
def test_ids_of_sixteen_digits_that_became_floats_are_refused(tmp_path: Path, ending: str) -> None:
    """Two of them may have become one: 9007199254740993 is no float."""
    file = tmp_path / f"e.{ending}"
    table_in(file, [["id", "type", "when"], [9007199254740993.0, "call", AT], [17.0, "call", AT]])
    report = take(tmp_path, events(PLAIN), file)
    assert seen(tmp_path, "lead_id") == {("17",)}
    assert [reason for *_, reason in rejected(report)] == [
        "lead_id '9.007199254740992e+15' has lost digits (a spreadsheet took the id for a number); export it as text"
    ]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("several", [["1", "2"], {"contact": 1}], ids=["list", "structure"])
def test_several_ids_in_one_cell_are_no_id(tmp_path: Path, ending: str, several: Any) -> None:
    file = tmp_path / f"e.{ending}"
    table_in(file, [["id", "account", "type", "when"], [several, several, "call", AT], [several, several, "call", AT]])
    told = "lead_id is a list or a structure; name the part that is meant, or bring a row for each"
    with pytest.raises(DataError, match=told):
        take(tmp_path, events(PLAIN), file)


@pytest.mark.parametrize("word", ["undefined", "None", "NaN", "[object Object]", NO_ID[-1]])
def test_what_programs_write_for_no_id_makes_no_lead_of_many(tmp_path: Path, word: str) -> None:
    file = write(
        tmp_path / "e.csv",
        f"id,key,type,when,deal\n{word},1,call,{AT},d\n7,{word},call,{AT},d\n7,3,call,{AT},d\n7,4,call,{AT},{word}\n",
    )
    keyed = PLAIN | {"event_id": "key", "deal_id": "deal"}
    report = take(tmp_path, events(keyed), file)
    assert seen(tmp_path, "event_id") == {("3",)}
    why = "is what programs write where they know no id; send the id, or leave the row out"
    assert sorted(report.reasons) == [f"{name} … {why}" for name in ("deal_id", "event_id", "lead_id")]
    take(tmp_path, events(keyed | {"as_is": ["id", "key", "deal"]}), file)
    assert seen(tmp_path, "lead_id") == {("7",), (word,)}


PEOPLE = ["anna@example.org", "+49 170 1234567", "(030) 123456", "555-123-4567"]
NO_PEOPLE = ["00491701234567", "@anna", "a@b", "2024-01-02", "12-34", "DE-123-456-7890", "+1", "1 234 567"]


@pytest.mark.parametrize("person", PEOPLE)
def test_what_says_who_somebody_is_is_no_id_unless_that_is_declared(tmp_path: Path, person: str) -> None:
    file = write(tmp_path / "e.csv", f'id,type,when\n"{person}",call,{AT}\n7,call,{AT}\n')
    report = take(tmp_path, events(PLAIN), file)
    assert seen(tmp_path, "lead_id") == {("7",)}
    assert list(report.reasons) == [
        "lead_id … is an e-mail address or a telephone number; identify by a number that says nothing, "
        'or add as_is = ["id"]'
    ]
    assert person not in report.rejected_path.read_bytes().decode("latin-1")
    take(tmp_path, events(PLAIN | {"as_is": ["id"]}), file)
    assert seen(tmp_path, "lead_id") == {("7",), (person,)}


@pytest.mark.parametrize("code", NO_PEOPLE)
def test_codes_say_nothing_about_people(tmp_path: Path, code: str) -> None:
    take(tmp_path, events(PLAIN), write(tmp_path / "e.csv", f"id,type,when\n{code},call,{AT}\n"))
    assert seen(tmp_path, "lead_id") == {(code,)}


def test_a_category_that_says_who_people_are_is_refused_and_a_stray_one_costs_the_cell(tmp_path: Path) -> None:
    keys = {"valid_from": "since", "categories": ["kind"]}
    text = f"id,since,kind\n1,{AT},a@example.org\n2,{AT},b@example.org\n3,{AT},c\n"
    with pytest.raises(
        DataError, match="column kind … is an e-mail address or a telephone number; add the column to pers"
    ):
        take_leads(tmp_path, keys, text)
    report, rows = take_leads(tmp_path, keys, text + "".join(f"{n},{AT},c\n" for n in range(4, 9)))
    assert sum(report.cells.values()) == 2
    assert sorted(str(row["kind"]) for row in rows) == ["None"] * 2 + ["c"] * 6
    _, rows = take_leads(tmp_path / "log", keys | {"as_is": ["kind"]}, text)
    assert {"kind": "a@example.org"} in rows


NESTED = [
    {
        "user": {"id": 7},
        "context": {"campaign": {"source": "google"}},
        "p.q": "literal",
        "sent": AT,
        "items": [{"n": 5}],
    },
    {"user": {"id": 8}, "context": {}, "p": {"q": "path"}, "sent": AT, "items": []},
]
PATHS = {"lead_id": "user.id", "event_type": "p.q", "occurred_at": "sent", "channel": "context/campaign/source"}


@pytest.mark.parametrize(
    "shape", ["lines", "lines called json", "list", "document", "pretty document", "deep document"]
)
def test_nested_values_are_read_by_path_in_json_of_any_shape(tmp_path: Path, shape: str) -> None:
    lines = "\n".join(map(json.dumps, NESTED))
    contents = {
        "lines": ("e.jsonl", lines),
        "lines called json": ("e.json", lines),
        "list": ("e.json", json.dumps(NESTED, indent=1)),
        "document": ("e.json", json.dumps({"ok": True, "data": NESTED, "paging": {"links": [{"a": 1}]}})),
        "pretty document": ("e.json", json.dumps({"data": NESTED}, indent=2)),
        "deep document": ("e.json", json.dumps({"result": {"items": {"rows": NESTED}}})),
    }
    name, content = contents[shape]
    take(tmp_path, events(PATHS | {"value": "items.0.n"}), write(tmp_path / name, content))
    assert seen(tmp_path, "lead_id", "event_type", "channel", "value", "occurred_at") == {
        ("7", "literal", "google", 5.0, US), ("8", "path", None, None, US),
    }  # fmt: skip


def test_a_document_with_several_lists_asks_which(tmp_path: Path) -> None:
    row = {"id": 1, "type": "call", "when": AT}
    file = write(tmp_path / "e.json", json.dumps({"now": [row], "before": [row | {"id": 2}]}))
    with pytest.raises(DataError, match='holds lists now, before; say which are the rows: rows = "now"'):
        take(tmp_path, events(PLAIN), file)
    take(tmp_path, events(PLAIN, rows="before"), file)
    assert seen(tmp_path, "lead_id") == {("2",)}
    with pytest.raises(DataError, match="has no list 'after'; it has now, before: correct rows in the mapping"):
        take(tmp_path, events(PLAIN, rows="after"), file)


@pytest.mark.parametrize("name", ["e.jsonl", "e.json"])
def test_a_path_that_no_row_has_is_an_error_and_one_that_is_null_is_none(tmp_path: Path, name: str) -> None:
    rows = [{"id": 1, "type": "call", "when": AT, "value": None}] * 1500
    file = write(tmp_path / name, "\n".join(map(json.dumps, [*rows, {"id": 2, "type": "call", "when": AT, "late": 1}])))
    with pytest.raises(DataError, match=rf"{name} has no column 'valeu'; the nearest is 'value': correct the mapping"):
        take(tmp_path, events(PLAIN | {"value": "valeu"}), file)
    assert not (tmp_path / "log" / "log.json").exists()
    report = take(tmp_path, events(PLAIN | {"value": "value", "channel": "late"}), file)
    assert (report.events.received, report.events.rejected) == (1501, 0)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_a_column_that_is_declared_optional_may_be_missing(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"e.{ending}"
    table_in(file, [["id", "type", "when"], ["1", "call", AT]])
    with pytest.raises(DataError, match="has no column 'amount'"):
        take(tmp_path, events(PLAIN | {"value": "amount"}), file)
    take(tmp_path, events(PLAIN | {"value": "amount", "optional": ["amount"]}), file)
    assert seen(tmp_path, "lead_id", "value") == {("1", None)}


def table_in(path: Path, rows: list[list[Any]], sheets: Sequence[str] = ("Sheet1",)) -> None:
    """The same small table in any kind of file; in the last sheet of a spreadsheet."""
    records = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    if path.suffix == ".csv":
        write(path, "\n".join(",".join(map(str, row)) for row in rows))
    elif path.suffix == ".jsonl":
        write(path, "\n".join(map(json.dumps, records)))
    elif path.suffix == ".parquet":
        pd.DataFrame(records).to_parquet(path)
    else:
        book = xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm:ss"})
        for name in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows if name == sheets[-1] else [["id", "nothing"]]):
                sheet.write_row(number, 0, row)
        book.close()


def test_spreadsheets_are_read_with_their_dates_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "e.xlsx"
    rows: list[list[Any]] = [
        ["id", "type", "when", "amount"],
        [123, "call", datetime(2024, 1, 2, 10, 0), 1.5],
        ["007", "call", datetime(2024, 1, 2, 10, 0), None],
        ["", "", "", ""],
        [8, "call", "2024-01-02 10:00", "$1,200.50"],
    ]
    table_in(path, rows, ["first", "Export 2"])
    mapping = events(PLAIN | {"value": "amount", "time_zone": "UTC"}, sheet="Export 2")
    report = take(tmp_path, mapping, path)
    assert seen(tmp_path, "lead_id", "occurred_at", "value") == {("123", US, 1.5), ("007", US, None), ("8", US, 1200.5)}
    assert report.events.received == 3
    with pytest.raises(DataError, match="has no sheet 'Export'; it has first, Export 2: correct sheet in the mapping"):
        take(tmp_path, mapping.model_copy(update={"sheet": "Export"}), path)
    with pytest.raises(DataError, match="sheet 'first' lacks columns of the mapping; sheet 'Export 2' has all of them"):
        take(tmp_path, mapping.model_copy(update={"sheet": None}), path)


@pytest.mark.parametrize("called", ["id", "Kennung"])
def test_a_table_that_goes_on_in_another_sheet_is_not_read_by_half(tmp_path: Path, called: str) -> None:
    """As exports of more than a sheet's million rows do, in whatever language."""
    path = tmp_path / "calls.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name in ("Export", "Export (2)", "Notes"):
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, [called, "type", "when"] if name != "Notes" else [called, "said"])
        sheet.write_row(1, 0, [1, "call", "2024-01-02T10:00:00"])
    book.close()
    mapping = events(PLAIN | {"time_zone": "UTC"}, also_called={"id": ["Kennung"]})
    with pytest.raises(
        DataError, match=r"sheet 'Export' would be read alone; sheet 'Export \(2\)' holds the same columns"
    ):
        take(tmp_path, mapping, path)
    for sheet in ("Export", "Export (2)"):
        take(tmp_path, mapping.model_copy(update={"sheet": sheet}), path)


def test_a_date_in_a_spreadsheet_is_the_end_of_its_day(tmp_path: Path) -> None:
    path = tmp_path / "e.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["id", "type", "when"])
    sheet.write_row(1, 0, [1, "call"])
    sheet.write_datetime(1, 2, date(2024, 1, 2), book.add_format({"num_format": "yyyy-mm-dd"}))
    book.close()
    take(tmp_path, events(PLAIN | {"time_zone": "UTC"}), path)
    ((at,),) = seen(tmp_path, "occurred_at")
    assert at == int(datetime(2024, 1, 3, tzinfo=UTC).timestamp()) * 1_000_000 - 1


def test_a_spreadsheet_that_unpacks_to_more_than_there_is_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_in(tmp_path / "e.xlsx", [["id", "type", "when"], ["1", "call", AT]])
    monkeypatch.setattr("data.sources.spreadsheets.UNPACKED", 1000)
    with pytest.raises(DataError, match="unpacks to 0 MiB, 0 are read; save it as CSV"):
        take(tmp_path, events(PLAIN), tmp_path / "e.xlsx")


TEXT = f"id,type,when\nMünchen,call,{AT}\n7,größe,{AT}\n"
ENCODED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "UTF-8 with a mark": (TEXT.encode("utf-8-sig"), {}),
    "UTF-16, little-endian": (b"\xff\xfe" + TEXT.encode("utf-16-le"), {}),
    "UTF-16, big-endian": (b"\xfe\xff" + TEXT.encode("utf-16-be"), {}),
    "UTF-32": (TEXT.encode("utf-32"), {}),
    "UTF-16, named, without a mark": (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "Latin-1, named": (TEXT.encode("latin-1"), {"encoding": "latin-1"}),
    "Windows, named": (TEXT.encode("cp1252"), {"encoding": "CP1252"}),
    "a mark against the name": (TEXT.encode("utf-16"), {"encoding": "latin-1"}),
    "sep": (b"sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n").encode(), {}),
    "sep in quotes, UTF-16": ('"sep=\t"\n'.encode("utf-16") + TEXT.replace(",", "\t").encode("utf-16-le"), {}),
    "semicolons": (TEXT.replace(",", ";").encode(), {}),
    "bars": (TEXT.replace(",", "|").encode(), {}),
    "gzip whatever its name": (gzip.compress(TEXT.encode()), {}),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_encodings_and_delimiters(tmp_path: Path, kind: str) -> None:
    content, keys = ENCODED[kind]
    take(tmp_path, events(PLAIN, **keys), write(tmp_path / "e.csv", content))
    assert seen(tmp_path, "lead_id", "event_type", "occurred_at") == {("München", "call", US), ("7", "größe", US)}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_no_character_is_lost_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("data.sources.utf8.BLOCK", 64 + size)
    content = TEXT + "".join(f"l{n},ü{n},{AT}\n" for n in range(40))
    take(tmp_path, events(PLAIN), write(tmp_path / "e.csv", content.encode("utf-16")))
    assert {f"ü{n}" for n in range(40)} <= {kind for (kind,) in seen(tmp_path, "event_type")}


def test_an_encoding_that_the_file_is_not_written_in_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no ascii to its end .*; correct encoding in the mapping"):
        take(tmp_path, events(PLAIN, encoding="ascii"), write(tmp_path / "e.csv", TEXT))
    report = take(
        tmp_path, events(PLAIN), write(tmp_path / "e.csv", TEXT.encode("latin-1") + f"8,call,{AT}\n".encode())
    )
    assert list(report.reasons) == [
        "the row is no UTF-8; if the file is not, add its encoding to the mapping, like cp1252"
    ]
    with pytest.raises(ValueError, match="no encoding of texts; write one like latin-1"):
        events(PLAIN, encoding="base64")


def test_a_file_without_a_header_has_columns_by_number(tmp_path: Path) -> None:
    file = write(tmp_path / "e.tsv", f"7\tcall\tx\t{AT}\n8\tcall\ty\t{AT}\n")
    report = take(tmp_path, events({"lead_id": "1", "event_type": "2", "occurred_at": "4"}, header=False), file)
    assert seen(tmp_path, "lead_id") == {("7",), ("8",)}
    assert report.events.received == 2


def test_zip_archives_hold_one_file(tmp_path: Path) -> None:
    path = tmp_path / "Export.CSV.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._e.csv", "x")
        archive.writestr("sub/e.csv", TEXT)
    take(tmp_path, events(PLAIN), path)
    assert len(seen(tmp_path, "lead_id")) == 2
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", TEXT)
    with pytest.raises(DataError, match=r"holds 2 files \(sub/e.csv, other.csv\); unpack it and name the one to read"):
        take(tmp_path, events(PLAIN), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="is no whole zip file"):
        take(tmp_path, events(PLAIN), path)


@pytest.mark.parametrize("name", ["export[1].{}", "exp*.{}", "what?.{}", "it's {{1}}.{}"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_with_signs_of_globs_is_that_file(tmp_path: Path, name: str, ending: str) -> None:
    for number, file in enumerate((name.format(ending), f"export1.{ending}", f"exporting.{ending}", f"whats.{ending}")):
        table_in(tmp_path / file, [["id", "type", "when"], [str(number), "call", AT]])
    take(tmp_path, events(PLAIN), tmp_path / name.format(ending))
    assert seen(tmp_path, "lead_id") == {("0",)}


def test_a_glob_is_all_files_that_match(tmp_path: Path) -> None:
    for number in range(3):
        table_in(tmp_path / f"e{number}.csv", [["id", "type", "when"], [str(number), "call", AT]])
    report = take(tmp_path, events(PLAIN), tmp_path / "e[0-1].csv")
    assert seen(tmp_path, "lead_id") == {("0",), ("1",)}
    assert report.events.received == 2


def test_words_that_mean_nothing_are_missing_values(tmp_path: Path) -> None:
    keys = {"valid_from": "since", "categories": ["kind"], "numbers": ["size"]}
    text = "id,since,kind,size\n" + "".join(
        f"{n},{AT},{word},{word}\n" for n, word in enumerate(["null", "-", "\\N", "N/A"])
    )
    report, rows = take_leads(tmp_path, keys, text)
    assert rows == [{"kind": None, "size": None}] * 4
    assert report.cells == {}
    (tmp_path / "s.toml").write_text('name = "s"\nnull_words = ["Select"]\n[leads]\nlead_id="id"\nvalid_from="since"\n')
    assert read_mapping(tmp_path / "s.toml").nothing == ("", "Select")


def test_files_of_one_mapping_may_be_written_differently(tmp_path: Path) -> None:
    mapping = Mapping(
        name="two",
        encoding="latin-1",
        files={"new": {"delimiter": "|", "encoding": "utf-8"}},
        events=[PLAIN | {"file": "old"}, PLAIN | {"file": "new"}],
    )
    old = write(tmp_path / "old.csv", TEXT.encode("latin-1"))
    new = write(tmp_path / "new.csv", TEXT.replace(",", "|").replace("7", "8").encode())
    ingest(tmp_path / "log", mapping, files={"old": [str(old)], "new": [str(new)]}, clock=lambda: NOW, buckets=2)
    assert seen(tmp_path, "lead_id") == {("München",), ("7",), ("8",)}


def test_a_table_without_its_file_is_left_out_and_told(tmp_path: Path) -> None:
    mapping = Mapping(name="two", events=[PLAIN | {"file": "old"}, PLAIN | {"file": "new"}])
    report = ingest(
        tmp_path / "log", mapping, files={"old": [str(write(tmp_path / "old.csv", TEXT))]}, clock=lambda: NOW, buckets=2
    )
    assert (report.events.accepted, report.idle) == (2, ("new",))


def test_a_state_that_lacks_its_file_deletes_nobody(tmp_path: Path) -> None:
    """Two tables of states; the one that is complete is not given: its leads are still there."""
    tables = [
        {"lead_id": "id", "snapshot": True, "missing": "deleted", "file": "all"},
        {"lead_id": "id", "snapshot": True, "file": "some"},
    ]
    mapping = Mapping(name="two", leads=tables)
    both, some = write(tmp_path / "a.csv", "id\n1\n2\n"), write(tmp_path / "s.csv", "id\n9\n")
    ingest(tmp_path / "log", mapping, files={"all": [str(both)]}, clock=lambda: NOW, buckets=2)
    ingest(tmp_path / "log", mapping, files={"some": [str(some)]}, clock=lambda: NOW + 60, buckets=2)
    log = EventLog.open(tmp_path / "log")
    assert len(read_absences(log.folders)) == 0


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(VALUES), st.integers(1, 20), st.sampled_from([None, 1]))
def test_the_elements_of_a_list_are_those_of_json(value: list[Any], size: int, indent: int | None) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    state, lines = np.zeros(5, np.int64), b""
    for start in range(0, len(content), size):
        block = np.frombuffer(content[start : start + size], np.uint8)
        out = np.empty(len(block) + 1, np.uint8)
        lines += out[: elements(block, state, out)].tobytes()
    assert [json.loads(line) for line in lines.split(b"\n")[:-1]] == value


@pytest.mark.parametrize("cut", range(1, 39))
def test_a_list_that_is_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    content = json.dumps([{"id": "[1]", "x": 'a"]'}, {"id": 2}]).encode()
    with pytest.raises(DataError, match=r"ends inside its list|is no JSON"):
        list(json_lines(write(tmp_path / "e.json", content[:-cut])))


def test_a_mapping_without_tables_is_none() -> None:
    with pytest.raises(ValueError, match=r"there is no table; add \[events\], \[leads\] or \[identities\]"):
        Mapping(name="empty")
    with pytest.raises(ValueError, match="'size' is a category in one table and a number in another"):
        Mapping(name="x", leads=[{"lead_id": "a", "snapshot": True, "categories": ["size"]},
                                 {"lead_id": "a", "snapshot": True, "numbers": ["size"]}])  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("lead_id", "lead"), "events.1.lead is no key of a mapping; did you mean leads?"),
        (lambda t: t.replace('"b"', "7"), "events.1.event_type = 7"),
    ],
)
def test_a_mistake_in_one_of_several_tables_is_told_with_its_place(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    table = '[[events]]\nlead_id = "a"\nevent_type = "b"\noccurred_at = "c"\n'
    (tmp_path / "m.toml").write_text(f'name = "m"\n{table}{change(table)}')
    with pytest.raises(UsageError) as caught:
        read_mapping(tmp_path / "m.toml")
    assert message in str(caught.value)
