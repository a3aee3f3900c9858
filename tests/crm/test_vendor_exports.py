"""Shipped mappings on made exports: lives come in whole and under their id, whatever a spreadsheet did to the file."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from data.contract import DataError, UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import Mapping, read_mapping, shipped_mappings
from tests.crm import hubspot, marketo, salesforce
from tests.crm.__main__ import vendors, write
from tests.crm.exports import UNTIL, VENDORS
from tests.crm.lives import NAMES, Life, lives
from tests.data.exports import adds_up, logged

LEADS = 120
LIVES = lives(LEADS, UNTIL)
SAMPLES = Path(__file__).parent / "samples"
NOW = UNTIL.timestamp() + 3600
IDS: dict[str, Callable[[Life], Any]] = {
    "hubspot": hubspot.id_of, "salesforce": salesforce.id_of, "marketo": marketo.id_of,
    "pipedrive": lambda life: life.number,
}  # fmt: skip
"""What a CRM calls a lead; trackers call it u1."""
TRACKERS = ("ga4", "segment", "posthog", "snowplow")
ZONED = {"hubspot": "Europe/Berlin", "pipedrive": "Europe/Berlin"}


def us(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000


def files_in(folder: Path) -> dict[str, list[str]]:
    return {path.name.partition(".")[0]: [str(path)] for path in sorted(folder.iterdir())}


def take(folder: Path, mapping: Mapping | str, export: Path, **more: Any) -> IngestReport:
    """Ingests the files of a folder, each under its name."""
    zone = ZONED.get(mapping) if isinstance(mapping, str) else None
    read = read_mapping(mapping, zone) if isinstance(mapping, str) else mapping
    return ingest(folder / "log", read, files=files_in(export), clock=lambda: NOW, buckets=2, **more)


def digest_of(folder: Path, mapping: Mapping | str, export: Path) -> str:
    take(folder, mapping, export)
    return EventLog.open(folder / "log").digest


@pytest.fixture(scope="module", params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def taken(vendor: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IngestReport]:
    """A folder with a vendor's `export` and its `log`."""
    folder = tmp_path_factory.mktemp(vendor)
    write(vendor, folder / "export", LEADS, UNTIL)
    return folder, take(folder, vendor, folder / "export")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HubSpot export."""
    folder = tmp_path_factory.mktemp("hubspot_export")
    write("hubspot", folder, LEADS, UNTIL)
    return folder


@pytest.fixture(scope="module")
def plain(export: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a log of it."""
    return digest_of(tmp_path_factory.mktemp("plain"), "hubspot", export)


def test_every_vendor_has_a_mapping_a_page_and_a_sample(vendor: str) -> None:
    assert set(vendors()) == set(VENDORS)
    assert vendor in shipped_mappings()
    assert sorted(path.name for path in (SAMPLES / vendor).iterdir())


def test_a_sample_is_what_the_generator_writes(tmp_path: Path, vendor: str) -> None:
    write(vendor, tmp_path, 12, UNTIL)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (SAMPLES / vendor).iterdir()}


def winners(rows: Iterable[dict[str, Any]], of: str) -> set[str]:
    return {row["lead_id"] for row in rows if row["event_type"] == of}


def test_lives_come_in_whole_and_nobody_else(taken: tuple[Path, IngestReport], vendor: str) -> None:
    folder, report = taken
    assert adds_up(report)
    assert report.events.rejected == report.leads.rejected == report.identities.rejected == report.files.rejected == 0
    ids = {life.number: str(IDS[vendor](life)) if vendor in IDS else f"u{life.number}" for life in LIVES}
    rows = logged(folder / "log")
    won = {ids[life.number] for life in LIVES if "customer" in life.stages}
    both = {ids[life.number - 1] for life in LIVES if vendor == "hubspot" and life.number % 20 == 0}
    without = {ids[life.number] for life in LIVES if vendor == "pipedrive" and life.number % 60 == 0}
    assert won - without <= winners(rows, "deal_won") <= won | both
    lost = {ids[life.number] for life in LIVES if life.deal and life.deal.closed and not life.deal.won}
    assert lost - without <= winners(rows, "deal_lost") <= lost | both
    profiles = {lead for bucket in range(2) for lead in profiled(folder, bucket)}
    assert profiles == set(ids.values())
    assert {row["lead_id"] for row in rows if row["event_type"] not in ("page_view", "pricing_view")} <= profiles


def profiled(folder: Path, bucket: int) -> set[str]:
    """Leads of a bucket with a profile."""
    run = EventLog.open(folder / "log").run(bucket)
    return {lead for lead, count in zip(run.leads.to_pylist(), run.version_counts.tolist(), strict=True) if count}


def test_nobodys_name_or_address_comes_in(taken: tuple[Path, IngestReport]) -> None:
    texts = texts_of(taken[0] / "log")
    assert len(texts) > LEADS
    assert not [
        text
        for text in texts
        if "@" in text or "1234567" in text.replace(" ", "") or any(last in text for _, last in NAMES)
    ]


def texts_of(log: Path) -> set[str]:
    """All texts of a log."""
    texts = set[str]()
    for bucket in range(2):
        run = EventLog.open(log).run(bucket)
        for table in (run.events, run.profiles):
            for column in table.columns:
                if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                    texts |= {str(text) for text in column.to_pylist() if text}
    return texts


def test_the_same_export_again_adds_nothing(taken: tuple[Path, IngestReport], vendor: str) -> None:
    folder, _ = taken
    digest = EventLog.open(folder / "log").digest
    report = take(folder, vendor, folder / "export")
    assert report.events.accepted == report.leads.accepted == report.identities.accepted == 0
    assert report.events.rejected == report.identities.rejected == report.leads.rejected == 0
    assert EventLog.open(folder / "log").digest == digest


# ------------------------------------------------------------------------------------------------------ what Excel does


Change = Callable[[list[list[str]]], str | bytes]


def rewritten(source: Path, out: Path, change: Change) -> Path:
    """The same files with other rows, or written in another way."""
    out.mkdir()
    for path in source.glob("*.csv"):
        made = change(rows_of(path))
        ending = ".xlsx" if made[:2] == b"PK" else ".csv"
        (out / path.name).with_suffix(ending).write_bytes(made.encode() if isinstance(made, str) else made)
    return out


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True)))


def lines(rows: list[list[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set(f'{delimiter}"\r\n') else text

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def as_workbook(rows: list[list[str]]) -> bytes:
    """As Excel has it: numbers and times are cells of their kind."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            for column, cell in enumerate(row):
                if place and rows[0][column].lower().endswith("date") and cell:
                    sheet.write_datetime(place, column, datetime.strptime(cell, "%Y-%m-%d %H:%M"))
                elif place and cell.replace(".", "").isdigit():
                    sheet.write_number(place, column, float(cell))
                else:
                    sheet.write_string(place, column, cell)
    return file.getvalue()


def more_columns(rows: list[list[str]]) -> str:
    return lines(
        [[*row, "" if place else "Empty", f"x{place}\ny" if place else "My own"] for place, row in enumerate(rows)]
    )


SHAPES: dict[str, Change] = {
    "byte order mark": lambda rows: "\ufeff" + lines(rows),
    "UTF-16": lambda rows: lines(rows, "\t").encode("utf-16"),
    "semicolons": lambda rows: "sep=;\r\n" + lines(rows, ";"),
    "workbook": as_workbook,
    "more columns": more_columns,
    "unix": lambda rows: lines(rows, end="\n"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_changes_nothing(tmp_path: Path, export: Path, plain: str, shape: str) -> None:
    changed = rewritten(export, tmp_path / "changed", SHAPES[shape])
    assert digest_of(tmp_path / "other", "hubspot", changed) == plain


def german(rows: list[list[str]]) -> bytes:
    """As a German Excel saves it: dates and amounts in its own form, and the headers of a German account."""
    form = read_mapping("hubspot")
    names = {
        own: others[-1] for key in ("contacts", "deals", "engagements")
        for own, others in form.files[key].also_called.items() if own != "Associated Contact IDs"
    }  # fmt: skip
    made = [[names.get(name, name) for name in rows[0]]]
    for row in rows[1:]:
        made.append([_german(name, cell) for name, cell in zip(rows[0], row, strict=True)])
    return lines(made, ";").encode("cp1252")


def _german(name: str, cell: str) -> str:
    if name.lower().endswith("date") and cell:
        return datetime.strptime(cell, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).strftime("%d.%m.%Y %H:%M")
    return cell.replace(".", ",") if name == "Amount" else cell


def test_a_german_excel_needs_three_lines_in_a_copy(tmp_path: Path, export: Path, plain: str) -> None:
    changed = rewritten(export, tmp_path / "changed", german)
    with pytest.raises(DataError, match="no UTF-8; add encoding"):
        take(tmp_path, "hubspot", changed)
    copy = shipped_mappings()["hubspot"].read_text(encoding="utf-8")
    own = 'encoding = "cp1252"\ntime_format = "%d.%m.%Y %H:%M"\ndecimal_comma = true\n'
    (tmp_path / "mine.toml").write_text(own + copy, encoding="utf-8")
    mine = read_mapping(tmp_path / "mine.toml", "Europe/Berlin")
    assert digest_of(tmp_path / "other", mine, changed) == plain


def test_times_without_a_zone_are_refused_with_the_way_out(tmp_path: Path, export: Path) -> None:
    with pytest.raises(DataError, match=r"contacts.csv row 1: .* no time zone; .* or give --time-zone"):
        take(tmp_path, read_mapping("hubspot"), export)
    assert not (tmp_path / "log" / "log.json").exists()


def test_the_zone_of_the_account_counts(tmp_path: Path, export: Path) -> None:
    take(tmp_path, "hubspot", export)
    created = {
        row["lead_id"]: row["occurred_at"] for row in logged(tmp_path / "log") if row["event_type"] == "became_lead"
    }
    life = LIVES[0]
    assert created[str(hubspot.id_of(life))] == int(life.created.replace(second=0).timestamp()) * 1_000_000


def test_columns_that_an_account_does_not_have_are_empty(tmp_path: Path, export: Path) -> None:
    def few(rows: list[list[str]]) -> str:
        places = [
            place for place, name in enumerate(rows[0])
            if name in ("Record ID", "Create Date", "Became a Lead Date", "Deal Stage", "Close Date", "Activity type")
            or name in ("Activity date", "Associated Contact IDs")
        ]  # fmt: skip
        return lines([[row[place] for place in places] for row in rows])

    report = take(tmp_path, "hubspot", rewritten(export, tmp_path / "few", few))
    assert (report.leads.accepted, report.events.rejected) == (LEADS, 0)
    assert "deal_won" in {row["event_type"] for row in logged(tmp_path / "log")}


def test_a_column_without_which_nothing_can_be_said_is_asked_for(tmp_path: Path, export: Path) -> None:
    def without(rows: list[list[str]]) -> str:
        return lines([row[1:] for row in rows])

    with pytest.raises((DataError, UsageError), match="Record ID"):
        take(tmp_path, "hubspot", rewritten(export, tmp_path / "without", without))


def test_only_contacts_are_needed_and_a_wrong_name_is_told(tmp_path: Path, export: Path) -> None:
    mapping, contacts = read_mapping("hubspot", "UTC"), [str(export / "contacts.csv")]
    report = ingest(tmp_path / "log", mapping, files={"contacts": contacts}, clock=lambda: NOW, buckets=2)
    assert report.leads.accepted == LEADS
    assert "deals" in report.idle
    with pytest.raises(
        UsageError, match=r"--file deal=…: no table of mapping hubspot reads 'deal'; did you mean deals"
    ):
        ingest(tmp_path / "log", mapping, files={"contacts": contacts, "deal": [str(export / "deals.csv")]})
    with pytest.raises(UsageError, match=r"give mapping hubspot its files: --file contacts=PATH"):
        ingest(tmp_path / "log", mapping)


def test_rows_of_nobody_are_counted(tmp_path: Path, export: Path) -> None:
    """Engagements without a contact, and deals of contacts that are not there, make no lead."""
    gone = rows_of(export / "deals.csv")[1][7]

    def without(rows: list[list[str]]) -> str:
        return lines([row for row in rows if row[0] != gone])

    fewer = rewritten(export, tmp_path / "fewer", without)
    report = take(tmp_path, "hubspot", fewer)
    nobody = sum(row[3] == "" for row in rows_of(fewer / "engagements.csv"))
    theirs = sum(row[3] == gone for row in rows_of(fewer / "engagements.csv"))
    assert report.left_out["events"] >= nobody + theirs + 1
    assert gone not in {row["lead_id"] for row in logged(tmp_path / "log")}


# ---------------------------------------------------------------------------------------------------- vendor by vendor


def test_what_a_converted_lead_did_before_is_known_from_then(tmp_path: Path) -> None:
    """Salesforce hands tasks to the contact: taken for the contact's, leads without a history would convert."""
    write("salesforce", tmp_path / "export", LEADS, UNTIL)
    take(tmp_path, "salesforce", tmp_path / "export")
    converted = {salesforce.id_of(life): us(life.deal.created) for life in LIVES if life.deal}
    calls = [row for row in logged(tmp_path / "log") if row["event_type"] == "sales_call"]
    before = [row for row in calls if row["occurred_at"] < converted.get(row["lead_id"], 0)]
    assert len(before) > 5
    assert all(row["known_at"] == row["occurred_at"] for row in before)


def test_the_json_of_pipedrives_api_is_read_by_the_same_mapping(tmp_path: Path) -> None:
    write("pipedrive", tmp_path / "export", LEADS, UNTIL)
    folder = tmp_path / "json"
    folder.mkdir()
    for version, path in enumerate(sorted((tmp_path / "export").iterdir())):
        names = read_mapping("pipedrive").files[path.stem].also_called
        keys = {own: next((name for name in others if name.islower()), own) for own, others in names.items()}
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True)))
        data: list[dict[str, Any]] = [
            {keys.get(name, name): cell or None for name, cell in row.items()} for row in rows
        ]
        for row in data:
            if row.get("person_id") and version % 2 == 0:
                row["person_id"] = {"value": int(row["person_id"]), "name": "X"}
        whole = {"success": True, "data": data, "additional_data": {"pagination": {"more_items_in_collection": False}}}
        (folder / f"{path.stem}.json").write_text(json.dumps(whole))
    assert digest_of(tmp_path / "b", "pipedrive", folder) == digest_of(tmp_path / "a", "pipedrive", tmp_path / "export")


def test_days_of_ga4_may_differ_in_their_columns(tmp_path: Path) -> None:
    write("ga4", tmp_path / "export", LEADS, UNTIL)
    rows = [json.loads(line) for line in (tmp_path / "export" / "events.jsonl").read_text().splitlines()]
    half = len(rows) // 2
    for row in rows[:half]:
        del row["collected_traffic_source"]
        row["event_params"] = [p for p in row["event_params"] if p["key"] != "ga_session_id"]
    for row in rows[half:]:
        row["items"], row["privacy_info"] = [], {"analytics_storage": "Yes"}
    for name, some in (("1", rows[:half]), ("2", rows[half:])):
        (tmp_path / f"events_{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    files = {"events": [str(tmp_path / "events_*.jsonl")]}
    report = ingest(tmp_path / "log", read_mapping("ga4"), files=files, clock=lambda: NOW, buckets=2)
    assert (report.events.rejected, report.files.received) == (0, len(rows))


@pytest.mark.parametrize("tracker", TRACKERS)
def test_weeks_of_a_tracker_one_after_the_other(tmp_path: Path, tracker: str) -> None:
    """A later export names a cookie and its lead again, from a later time on: nothing is refused or doubled."""
    write(tracker, tmp_path / "export", LEADS, UNTIL)
    path = tmp_path / "export" / "events.jsonl"
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for part in (rows[: len(rows) // 2], rows[len(rows) // 3 :]):
        path.write_text("".join(part), encoding="utf-8")
        report = take(tmp_path, tracker, tmp_path / "export")
        assert (report.events.rejected, report.identities.rejected, report.leads.rejected) == (0, 0, 0), report.reasons


def test_a_shipped_mapping_is_a_file_to_copy() -> None:
    for path in shipped_mappings().values():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert tomllib.loads(text)["name"] == path.stem


OPENED = {
    "hubspot": ("deals.csv", (("Closed Lost", "Negotiation"), ("Closed Won", "Negotiation"))),
    "salesforce": ("opportunities.csv", (('"true","false"', '"false","false"'), ('"true","true"', '"false","false"'))),
    "pipedrive": ("deals.csv", ((",Lost,", ",Open,"), (",Won,", ",Open,"))),
}
"""How all deals of a sample are opened again: the file, and what stands there then."""


@pytest.mark.parametrize("vendor", OPENED)
def test_deals_that_are_opened_again_are_neither_won_nor_lost_from_that_export_on(vendor: str, tmp_path: Path) -> None:
    first, second = us(UNTIL), us(UNTIL) + 1_800_000_000
    before = take(tmp_path, vendor, SAMPLES / vendor, as_of=first)
    export = Path(shutil.copytree(SAMPLES / vendor, tmp_path / "export"))
    name, changes = OPENED[vendor]
    text = (export / name).read_text(encoding="utf-8")
    for closed, opened in changes:
        text = text.replace(closed, opened)
    (export / name).write_text(text, encoding="utf-8")
    after = take(tmp_path, vendor, export, as_of=second)
    closed_deals = [event for event in logged(tmp_path / "log") if event["event_type"] in ("deal_won", "deal_lost")]
    ended = [event for event in closed_deals if event["superseded_at"] == second]
    assert before.taken_back == 0
    assert len({event["event_id"] for event in ended}) == after.taken_back > 0
    still = [event["event_id"] for event in closed_deals if event["superseded_at"] is None]
    assert all(event_id.endswith("Became a Customer Date") for event_id in still), "of the contact, whose row says so"
