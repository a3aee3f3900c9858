"""Events of several leads: one row per lead, versions of all of them, and what becomes of those who leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, read_mapping
from tests.data.exports import HEADER, NOW, rejected, write_csv
from tests.data.test_identities import ALIASES, amounts
from tests.data.test_versions import day

SHARED = ALIASES.model_copy(
    update={"events": EventsPart(**{**ALIASES.events.model_dump(), "shared": True, "retracted": "gone"})}
)


def deal(lead: str, value: str = "10", received: int | None = None, gone: str = "") -> str:
    """A deal of the first of January, as a row says it of one of its leads."""
    known = "" if received is None else f"2024-01-{received:02d}T00:00:00Z"
    return f"{lead},page_view,2024-01-01T00:00:00Z,{known},,{value},crm,7,{gone}"


def told(folder: Path, at: int, lines: list[str], aliases: list[str] | None = None) -> IngestReport:
    """An export at a day of January."""
    file = write_csv(folder / f"{at}.csv", lines, f"{HEADER},gone")
    ids = [write_csv(folder / f"{at}-ids.csv", aliases, "cookie,contact,since,until")] if aliases else []
    return ingest(folder / "log", SHARED, [file], [], ids, as_of=day(at), clock=lambda: NOW, buckets=8)


def of_each(folder: Path, at: int, leads: str = "abc") -> list[list[float]]:
    """What is valid of leads at a day of January."""
    log = EventLog.open(folder / "log")
    known = {lead for bucket in range(log.n_buckets) for lead in log.bucket(bucket).lead_ids.to_pylist()}
    return [amounts(log, lead, at) if lead in known else [] for lead in leads]


def test_an_event_of_several_leads_is_one_of_each(tmp_path: Path) -> None:
    report = told(tmp_path, 5, [deal("a"), deal("b"), deal("a")])
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (2, 1, 0)
    assert of_each(tmp_path, 3) == [[10], [10], []]
    again = told(tmp_path, 6, [deal("b"), deal("a")])
    assert (again.events.accepted, again.events.duplicate) == (0, 2)


def test_a_correction_reaches_all_of_its_leads(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    report = told(tmp_path, 8, [deal("a", "20"), deal("b", "20")])
    assert (report.events.accepted, report.events.corrected) == (2, 2)
    assert [of_each(tmp_path, at) for at in (8, 9)] == [[[10], [10], []], [[20], [20], []]]
    told(tmp_path, 9, [deal("a"), deal("b")])
    assert of_each(tmp_path, 10) == [[10], [10], []]


def test_who_is_not_named_any_more_leaves_and_who_is_new_comes_from_the_export_on(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    told(tmp_path, 8, [deal("b"), deal("c")])
    told(tmp_path, 11, [deal("c"), deal("a")])
    assert [of_each(tmp_path, at) for at in (2, 8, 9, 12)] == [
        [[10], [10], []], [[10], [10], []], [[], [10], [10]], [[10], [], [10]]
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [["a"], ["a", "b"]], ids=["by one row", "by all"])
def test_a_retraction_takes_it_back_for_all_of_them(tmp_path: Path, rows: list[str]) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    report = told(tmp_path, 8, [deal(lead, gone="true") for lead in rows])
    assert (report.events.accepted, report.events.rejected) == (len(rows), 0)
    assert [of_each(tmp_path, at) for at in (8, 9)] == [[[10], [10], []], [[], [], []]]
    assert told(tmp_path, 9, [deal("b", gone="true")]).events.duplicate == 1


def test_a_retraction_beside_a_row_that_stays_takes_one_lead_out(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    told(tmp_path, 8, [deal("a", gone="true"), deal("b")])
    assert of_each(tmp_path, 9) == [[], [10], []]


def test_rows_with_dates_of_their_own_are_versions_to_which_leads_come(tmp_path: Path) -> None:
    told(tmp_path, 20, [deal("a", "10", 3), deal("b", "10", 5), deal("a", "20", 8), deal("c", "20", 9, "true")])
    assert [of_each(tmp_path, at) for at in (3, 4, 6, 9, 10)] == [
        [[], [], []], [[10], [], []], [[10], [10], []], [[20], [10], []], [[20], [10], []]
    ]  # fmt: skip
    told(tmp_path, 21, [deal("b", "20", 12)])
    assert of_each(tmp_path, 13) == [[], [20], []]


def test_what_contradicts_itself_in_one_export_is_refused(tmp_path: Path) -> None:
    report = told(tmp_path, 5, [deal("a"), deal("a", "20"), deal("b")])
    assert [row[1:] for row in rejected(report)] == [(2, "event_id '7' is taken by an event with another content")]
    assert of_each(tmp_path, 6) == [[10], [10], []]
    assert told(tmp_path, 6, [deal("a", gone="true").replace(",7,", ",8,")]).events.rejected == 1


@pytest.mark.parametrize("first", [True, False], ids=["at once", "merged later"])
def test_two_leads_of_one_event_that_turn_out_to_be_one_have_it_once(tmp_path: Path, first: bool) -> None:
    merge = ["a,b,2024-01-07T00:00:00Z,2024-01-09T00:00:00Z"]
    told(tmp_path, 6, [deal("a"), deal("b")], merge if first else None)
    if not first:
        told(tmp_path, 10, [deal("c").replace(",7,", ",8,")], merge)
    assert [of_each(tmp_path, at, "ab") for at in (7, 8, 10)] == [[[10], [10]], [[], [10]], [[10], [10]]]


def test_without_an_id_nothing_is_shared(tmp_path: Path) -> None:
    file = tmp_path / "shared.toml"
    file.write_text(
        'name = "x"\nevent_types = ["won"]\n'
        '[events]\nlead_id = "l"\nevent_type = "t"\noccurred_at = "a"\nshared = true\n'
    )
    with pytest.raises(UsageError, match="shared = true needs event_id"):
        read_mapping(file)
