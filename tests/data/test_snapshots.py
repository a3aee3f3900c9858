"""States as exported: versions from the export on, who is missing from a full one, and exports of another account."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import DataError
from data.histories import FAR
from data.intake.check import check_sources
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import LeadsPart
from tests.data.exports import NOW, PLAIN, write_csv
from tests.data.test_identities import ALIASES
from tests.data.test_versions import day

STATES = PLAIN.model_copy(
    update={
        "leads": (LeadsPart(lead_id="lead", snapshot=True, created_at="since", categories=("industry", "stage"),
                            unchanging=("industry",), missing="deleted"),)
    }
)  # fmt: skip
HEADER = "lead,since,industry,stage"


def exported(folder: Path, at: int, lines: list[str]) -> EventLog:
    """The log after a full export at a day of January."""
    file = write_csv(folder / f"leads-{at}.csv", lines, HEADER)
    ingest(folder / "log", STATES, [], [file], as_of=day(at), clock=lambda: NOW, buckets=4)
    return EventLog.open(folder / "log")


def test_states_as_exported_are_versions_from_the_export_on(tmp_path: Path) -> None:
    exported(tmp_path, 10, ["x,2024-01-01T00:00:00Z,steel,new", "y,2024-01-02T00:00:00Z,wood,new"])
    exported(tmp_path, 12, ["x,2024-01-01T00:00:00Z,steel,new", "y,2024-01-02T00:00:00Z,wood,won"])
    log = exported(tmp_path, 14, ["x,2024-01-01T00:00:00Z,steel,lost", "y,2024-01-02T00:00:00Z,wood,won"])
    versions = {lead: log.find(lead).profiles for lead in "xy"}
    assert [profile.valid_from.tolist() for profile in versions.values()] == [
        [day(1), day(10), day(14)], [day(2), day(10), day(12)]
    ]  # fmt: skip
    assert versions["x"].columns.to_pydict() == {"industry": ["steel"] * 3, "stage": [None, "new", "lost"]}


def test_a_lead_that_a_full_export_does_not_have_any_more_is_gone_until_one_has_it_again(tmp_path: Path) -> None:
    both = ["x,2024-01-01T00:00:00Z,steel,new", "y,2024-01-02T00:00:00Z,wood,new"]
    for at, lines in ((10, both), (12, both[:1]), (13, both[:1]), (14, both), (16, both[:1])):
        log = exported(tmp_path, at, lines)
    absences = log.find("y").absences
    assert absences is not None
    assert list(zip(absences.from_at.tolist(), absences.until.tolist(), strict=True)) == [
        (day(12), day(14)), (day(16), 2**62)
    ]  # fmt: skip


def test_a_full_export_that_is_older_than_the_newest_says_nothing_of_who_is_there(tmp_path: Path) -> None:
    both = ["x,2024-01-01T00:00:00Z,steel,new", "y,2024-01-02T00:00:00Z,wood,new"]
    for at, lines in ((10, both), (16, both), (14, both[:1]), (18, both[1:]), (17, both)):
        log = exported(tmp_path, at, lines)
    gone = {lead: log.find(lead).absences for lead in "xy"}
    assert gone["x"] is not None
    assert (gone["x"].from_at.tolist(), gone["x"].until.tolist()) == ([day(18)], [FAR])
    assert gone["y"] is None or not len(gone["y"].from_at)


def test_an_alias_is_not_taken_for_deleted_and_comes_back_when_it_is_separated(tmp_path: Path) -> None:
    mapping = STATES.model_copy(update={"identities": ALIASES.identities})
    both = ["x,2024-01-01T00:00:00Z,steel,new", "y,2024-01-02T00:00:00Z,wood,new"]
    for at, lines, aliases in (
        (10, both, "y,x,2024-01-09T00:00:00Z,"),
        (12, both[:1], "y,x,2024-01-09T00:00:00Z,"),
        (14, both[:1], "y,x,2024-01-09T00:00:00Z,2024-01-13T00:00:00Z"),
    ):
        files = [write_csv(tmp_path / f"leads-{at}.csv", lines, HEADER)]
        ids = [write_csv(tmp_path / f"ids-{at}.csv", [aliases], "cookie,contact,since,until")]
        ingest(tmp_path / "log", mapping, [], files, ids, as_of=day(at), clock=lambda: NOW, buckets=4)
    absences = EventLog.open(tmp_path / "log").find("y").absences
    assert absences is not None
    assert absences.merged is not None
    spans = zip(absences.from_at.tolist(), absences.until.tolist(), absences.merged.tolist(), strict=True)
    assert list(spans) == [(day(9), day(13), True), (day(14), FAR, False)]


def test_an_export_of_another_account_is_stopped(tmp_path: Path) -> None:
    exported(tmp_path, 10, [f"x{n},2024-01-01T00:00:00Z,steel,new" for n in range(150)])
    digest = EventLog.open(tmp_path / "log").digest
    lines = [f"{'x' if n == 0 else 'y'}{n},2024-01-01T00:00:00Z,steel,new" for n in range(150)]
    message = r"of 150 leads in the export the log knows 1, .* leads are like .*, those of the log like .*--new-leads"
    with pytest.raises(DataError, match=message):
        exported(tmp_path, 12, lines)
    with pytest.raises(DataError, match=message):
        check_sources(tmp_path / "log", STATES, [], [str(tmp_path / "leads-12.csv")], clock=lambda: NOW)
    assert EventLog.open(tmp_path / "log").digest == digest


def test_new_leads_of_the_same_account_are_taken_in_by_saying_so(tmp_path: Path) -> None:
    """As an export that brings only what is new has them, and no lead that was there."""
    exported(tmp_path, 10, [f"x{n},2024-01-01T00:00:00Z,steel,new" for n in range(150)])
    some = write_csv(tmp_path / "some.csv", [f"y{n},2024-01-11T00:00:00Z,steel,new" for n in range(150)], HEADER)
    part = STATES.leads[0].model_copy(update={"missing": "kept"})
    mapping = STATES.model_copy(update={"leads": (part,)})
    summary = ingest(tmp_path / "log", mapping, [], [some], as_of=day(12), clock=lambda: NOW, new_leads=True)
    assert (summary.leads.accepted, EventLog.open(tmp_path / "log").manifest.n_leads) == (150, 300)
