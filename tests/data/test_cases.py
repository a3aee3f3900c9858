"""Small inputs from the field that lie beside the repository, each with what it must give; skipped where they do not.

What each of them teaches is tested with data of our own too, which is always there: forms of files, amounts, nested
values, names of columns, choices of rows, null dates, zones and people in `test_shapes.py`; dates in `test_dates.py`;
ids in `test_ids.py`; exports that change in `test_versions.py`, `test_snapshots.py` and `test_three_weeks.py`; merges
in `test_identities.py`; types in another case in `test_doubts.py`; corrected mappings in `test_replacement.py`; vendors
in `tests/crm/`; odd names in `tests/serving/test_odd_names.py`; written ids and times in `tests/serving/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from data.contract import DataError, UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import Mapping, read_mapping
from data.times import time_from_text
from tests.conftest import REPOSITORY
from tests.data.exports import logged, rejected, write_csv

CASES = REPOSITORY / ".." / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="there is no ../shared/cases beside the repository")
Take = Callable[..., IngestReport]
BERLIN = "Europe/Berlin"
CALLS = {"lead_id": "id", "event_type": "type", "occurred_at": "when", "time_zone": BERLIN, "value": "amount"}
CALL = time_from_text("2025-01-02T10:00:00+01:00")


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Ingests files of the cases by a mapping of theirs, or by one that is given."""

    def command(
        mapping: str | Mapping, *events: str, leads: str | None = None, as_of: str | None = None,
        replacing: Sequence[str] = (),
    ) -> IngestReport:  # fmt: skip
        return ingest(
            tmp_path / "log",
            read_mapping(CASES / mapping) if isinstance(mapping, str) else mapping,
            [str(CASES / name) for name in events],
            [str(CASES / leads)] if leads else [],
            as_of=None if as_of is None else time_from_text(as_of),
            buckets=2,
            replacing=replacing,
        )

    return command


def calls(**keys: Any) -> Mapping:
    return Mapping(name="calls", event_types=("call", "deal_won"), events=CALLS, **keys)


def seen(folder: Path, *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in logged(folder / "log")}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("arr.json", {}), ("base.CSV.zip", {}), ("utf16.csv", {}), ("sepline.csv", {}), ("semicolon.csv", {}),
        ("latin1_header.csv", {"encoding": "latin-1"}), ("latin1_row.csv", {"encoding": "cp1252"}),
    ],
)  # fmt: skip
def test_shapes_of_files(tmp_path: Path, take: Take, name: str, keys: dict[str, str]) -> None:
    take(calls(**keys), f"in/{name}")
    assert ("1", "call", CALL, 5.0) in seen(tmp_path, "lead_id", "event_type", "occurred_at", "value")


@pytest.mark.parametrize("name", ["latin1_header.csv", "latin1_row.csv"])
def test_what_is_no_utf8_is_refused_with_the_remedy_that_works(take: Take, name: str) -> None:
    with pytest.raises(DataError, match=r"no UTF-8; .*encoding.* to the mapping"):
        take(calls(), f"in/{name}")


def test_money(tmp_path: Path, take: Take) -> None:
    report = take(calls(), "in/money.csv")
    assert seen(tmp_path, "lead_id", "value") == {("1", 1200.5), ("2", 1200.0), ("3", 5.0), ("4", None)}
    assert report.cells == {"value … is no number": 1}


def test_marketo(take: Take) -> None:
    report = take("in/marketo_bulk.toml", leads="in/marketo_leads_bulk.csv")
    assert (report.leads.accepted, report.leads.rejected, report.cells) == (2, 0, {})


def test_dates(tmp_path: Path, take: Take) -> None:
    report = take(calls(), "in/dates.csv")
    end_of_day = time_from_text("2025-01-03T00:00:00+01:00") - 1
    utc = time_from_text("2025-01-02T10:00:00Z")
    assert seen(tmp_path, "lead_id", "occurred_at") == {("1", utc), ("4", utc), ("8", end_of_day)}
    assert [row for _, row, _ in rejected(report)] == [2, 3, 5, 6, 7, 9]
    assert all(why.startswith("occurred_at '") and "is no time" in why for _, _, why in rejected(report))


def test_segment(tmp_path: Path, take: Take) -> None:
    take("in/segment.toml", "in/segment.jsonl")
    assert seen(tmp_path, "lead_id", "value", "channel") == {("u1", 12.5, "google")}


def test_ga4(tmp_path: Path, take: Take) -> None:
    report = take("in/ga4.toml", "in/ga4.jsonl")
    assert seen(tmp_path, "lead_id", "channel", "source") == {("u77", "referral", "ga4")}
    assert rejected(report) == [("ga4.jsonl", 2, "lead_id is missing")]


def test_pipedrive(tmp_path: Path, take: Take) -> None:
    take("in/pipedrive.toml", "in/pipedrive.json")
    assert seen(tmp_path, "lead_id", "event_type", "value", "event_id") == {("77", "won", 5000.0, "1")}


@pytest.mark.parametrize("name", ["segment", "ga4", "pipedrive"])
def test_a_path_that_no_row_has(take: Take, name: str) -> None:
    mapping = read_mapping(CASES / f"in/{name}.toml")
    lost = mapping.events[0].model_copy(update={"channel": "no.such.path"})
    with pytest.raises(DataError, match=r"has no column 'no\.such\.path'"):
        take(mapping.model_copy(update={"events": (lost,)}), f"in/{name}.json{'' if name == 'pipedrive' else 'l'}")


def test_a_crm_that_changes(tmp_path: Path, take: Take) -> None:
    take("in/week.toml", "in/wev1.csv", leads="in/week1.csv", as_of="2025-01-05T00:00:00Z")
    report = take("in/week.toml", "in/wev2.csv", leads="in/week2.csv", as_of="2025-02-05T00:00:00Z")
    assert (report.events.corrected, report.leads.corrected, report.leads.duplicate) == (2, 1, 1)
    known = time_from_text("2025-02-05T00:00:00Z")
    assert {("1", 5.0, known), ("1", 9.0, None)} <= seen(tmp_path, "lead_id", "value", "superseded_at")


def test_a_crm_whose_profiles_have_dates_of_their_own(tmp_path: Path, take: Take) -> None:
    take("in/week_mod.toml", leads="in/week1.csv", as_of="2025-01-05T00:00:00Z")
    report = take("in/week_mod.toml", leads="in/week2.csv", as_of="2025-02-05T00:00:00Z")
    assert (report.leads.accepted, report.leads.duplicate, report.leads.corrected) == (2, 1, 0)
    versions = EventLog.open(tmp_path / "log").find("1").profiles
    assert versions.columns.column("stage").to_pylist() == ["Lead", "Customer"]


def test_types_in_another_case_are_told_with_the_nearest(tmp_path: Path, take: Take) -> None:
    types = read_mapping(CASES / "in/typo.toml").event_types
    rows = [f"{n},{kind.lower()},2025-01-01T00:00:00Z,{n}" for n, kind in enumerate(types)]
    file = write_csv(tmp_path / "events.csv", rows, "lead_id,event_type,occurred_at,event_id")
    doubts = take("in/typo.toml", file).doubts
    for kind in set(types) - {"deal_won", "deal_lost"}:
        expected = f"event type {kind.lower()!r} (1 rows) is not in event_types; the nearest is {kind!r}"
        assert any(doubt.startswith(expected) for doubt in doubts), kind


def test_a_corrected_mapping_does_not_double_events(tmp_path: Path, take: Take) -> None:
    take("in/remap1.toml", "in/dst.csv")
    report = take("in/remap2.toml", "in/dst.csv", replacing=[""])
    assert (report.taken_out, report.events.accepted) == ({"": 2}, 2)
    later = [time_from_text(time) for time in ("2024-10-27T02:30:00Z", "2024-03-31T02:30:00Z")]
    assert seen(tmp_path, "lead_id", "event_type", "occurred_at") == {
        ("1", "meeting", later[0]), ("2", "meeting", later[1] - 3_600_000_000),
    }  # fmt: skip


def test_rows_that_are_left_out(tmp_path: Path, take: Take) -> None:
    rows = (
        f"Id,WhoId,CreatedDate,Status\n1,w,{'2025-01-01T00:00:00Z'},Completed\n2,w,2025-01-01T00:00:00Z,Not Started\n"
    )
    (tmp_path / "tasks.csv").write_text(rows)
    report = take("in/filter.toml", str(tmp_path / "tasks.csv"))
    assert seen(tmp_path, "event_type") == {("task_call",)}
    assert report.left_out == {"events": 1}


def test_people_are_no_ids_and_no_categories(take: Take) -> None:
    with pytest.raises(DataError, match="lead_id '<e-mail>' is an e-mail address"):
        take("in/dst.toml", "in/mail.csv")
    with pytest.raises(
        DataError, match=r"column email2 … is an e-mail address .*; add the column to personal, or add as_is"
    ):
        take("in/mailcat.toml", leads="in/mailcat.csv")


def test_any_column_name_can_be_kept(take: Take) -> None:
    assert take("in/reason.toml", leads="in/reason.csv").leads.accepted == 1


def test_est_is_refused() -> None:
    with pytest.raises(UsageError, match=r"events.time_zone = 'EST': no IANA time zone of a place"):
        read_mapping(CASES / "in/est.toml")


def test_that_file_and_not_its_namesake(tmp_path: Path, take: Take) -> None:
    keys = {name: name for name in ("lead_id", "event_type", "occurred_at")}
    take(Mapping(name="plain", events=keys), "in/export[1].parquet")
    assert seen(tmp_path, "lead_id") == {("WANTED",)}


def test_floats_are_the_ids_that_they_were(tmp_path: Path, take: Take) -> None:
    report = take("map.toml", "float_ids/p_e.parquet", leads="float_ids/p_l.parquet")
    assert (report.leads.accepted, report.leads.rejected) == (3, 1)
    assert seen(tmp_path, "lead_id") == {("123",), ("456",), ("789",)}


def test_a_merge_holds_from_its_time_on(tmp_path: Path, take: Take) -> None:
    take("map.toml", "merge/m1.csv", as_of="2024-02-01T00:00:00Z")
    assert take("map.toml", "merge/m2.csv", as_of="2024-03-01T00:00:00Z").events.corrected == 3
    merged = time_from_text("2024-03-01T00:00:00Z")
    assert ("B", "deal_won", 100.0, merged) in seen(tmp_path, "lead_id", "event_type", "value", "superseded_at")
    assert ("A", "deal_won", 120.0, merged) in seen(tmp_path, "lead_id", "event_type", "value", "known_at")


def test_names_of_any_kind_are_names() -> None:
    mapping = read_mapping(CASES / "odd_names/odd.toml")
    assert 'Seite: "Aufruf" [/preise?x=1&y={2}]' in mapping.event_types
    assert 'Branche "neu" [x]: {y}, z' in mapping.profile
