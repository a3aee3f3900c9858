"""Rows that claim an id which is taken: whoever came first has it, and nothing of the others gets into the log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.log.eventlog import EventLog
from tests.data.exports import adds_up, into, logged, rejected, write_csv

FIRST = "l1,page_view,2024-01-05T10:00:00Z,2024-01-20T00:00:00Z,web,1.5,crm,7"
OTHER_VALUE = FIRST.replace("1.5", "2.5").replace("01-20", "01-06")
OTHER_LEAD = FIRST.replace("l1", "l2").replace("01-20", "01-06")
SAME_EARLIER = FIRST.replace("01-20", "01-10")
TAKEN = "event_id '7' is taken by an event with another content"


def day(number: int, hour: int = 0) -> int:
    return int(np.datetime64(f"2024-01-{number:02d}T{hour:02d}", "us").astype(np.int64))


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "one after the other"])
@pytest.mark.parametrize("other", [OTHER_VALUE, OTHER_LEAD], ids=["another value", "another lead"])
def test_a_conflicting_copy_does_not_change_when_the_event_was_known(tmp_path: Path, apart: bool, other: str) -> None:
    """It was received earlier, but it is not a copy of this event."""
    batches = [[FIRST], [other]] if apart else [[FIRST, other]]
    for number, lines in enumerate(batches):
        report = into(tmp_path / "log", write_csv(tmp_path / f"{number}.csv", lines))
    assert [reason for _, _, reason in rejected(report)] == [TAKEN]
    assert (report.events.rejected, report.events.duplicate) == (1, 0)
    [event] = logged(tmp_path / "log")
    assert (event["lead_id"], event["value"], event["known_at"]) == ("l1", 1.5, day(20))


def test_a_copy_makes_it_known_earlier_also_beside_a_conflict(tmp_path: Path) -> None:
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", [FIRST, OTHER_VALUE, SAME_EARLIER, OTHER_VALUE]))
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (1, 1, 2)
    assert adds_up(report)
    [event] = logged(tmp_path / "log")
    assert (event["value"], event["known_at"]) == (1.5, day(10))


def test_what_the_log_holds_goes_before_what_comes_and_then_the_order_of_files_and_rows(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [OTHER_VALUE]))
    files = [
        write_csv(tmp_path / f"{number}.csv", lines) for number, lines in enumerate([[FIRST], [OTHER_VALUE, FIRST]])
    ]
    report = into(tmp_path / "log", *files)
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (0, 1, 2)
    assert rejected(report) == [("0.csv", 1, TAKEN), ("1.csv", 2, TAKEN)]
    into(tmp_path / "new", *files)
    assert [event["value"] for event in logged(tmp_path / "new")] == [1.5], "the first file's"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_an_id_that_several_leads_claim_is_the_first_ones(tmp_path: Path, order: tuple[int, ...]) -> None:
    """They lie in different buckets, of which none sees that alone."""
    claims = [FIRST.replace("l1", f"l{lead}") for lead in order]
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", [*claims, claims[0]]), buckets=8)
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (1, 1, 2)
    assert [row[1] for row in rejected(report)] == [2, 3]
    assert [event["lead_id"] for event in logged(tmp_path / "log")] == [f"l{order[0]}"]
    again = into(tmp_path / "log", write_csv(tmp_path / "b.csv", claims[::-1]), buckets=8)
    assert (again.events.accepted, again.events.duplicate, again.events.rejected) == (0, 1, 2)
    assert [event["lead_id"] for event in logged(tmp_path / "log")] == [f"l{order[0]}"]


def test_ids_of_another_source_or_none_are_no_conflict(tmp_path: Path) -> None:
    lines = [FIRST, OTHER_LEAD.replace("crm", "shop"), FIRST.replace("crm,7", ","), OTHER_LEAD.replace("crm,7", ",")]
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", lines))
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (4, 0, 0)


@pytest.mark.parametrize(
    ("occurred", "received", "known"), [(5, "2024-01-20", 20), (5, "", 5), (5, "2024-01-02", 5), (5, "2024-01-05", 5)]
)
def test_an_event_is_known_when_it_has_happened_and_was_received(
    tmp_path: Path, occurred: int, received: str, known: int
) -> None:
    line = f"l1,page_view,2024-01-{occurred:02d}T00:00:00Z,{received and received + 'T00:00:00Z'},,,crm,1"
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [line]))
    [event] = logged(tmp_path / "log")
    assert (event["occurred_at"], event["known_at"]) == (day(occurred), day(known))


LINES = [
    "b,page_view,2024-01-05T00:00:00Z,,web,2,crm,1", "b,page_view,2024-01-05T00:00:00Z,,,1,crm,2",
    "b,page_view,2024-01-05T00:00:00Z,,web,1,crm,3", "b,page_view,2024-01-05T00:00:00Z,,web,,crm,4",
    "b,email_sent,2024-01-05T00:00:00Z,,web,9,crm,5", "b,page_view,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,,,crm,6",
    "b,page_view,2024-01-02T00:00:00Z,,,,crm,7", "a,page_view,2024-01-09T00:00:00Z,,web,1,crm,8",
    "b,page_view,2024-01-05T00:00:00Z,,,1,app,9",
]  # fmt: skip


def test_events_lie_in_the_total_order_whatever_order_they_come_in(tmp_path: Path) -> None:
    """Lead, known, occurred, type, channel, value, source, id; what is missing goes before what is there."""
    for name, lines in (("one", LINES), ("other", LINES[::-1])):
        into(tmp_path / name, write_csv(tmp_path / f"{name}.csv", lines), buckets=1)
        assert "".join(event["event_id"] for event in logged(tmp_path / name)) == "876592431"


VERSIONS = "lead,since,industry,employees"


def profiles_of(folder: Path, lead: str) -> list[tuple[int, object, object]]:
    profiles = EventLog.open(folder).find(lead).profiles
    rows = profiles.columns.to_pylist()
    return [(at, row["industry"], row["employees"]) for at, row in zip(profiles.valid_from.tolist(), rows, strict=True)]


def test_the_first_version_at_a_time_stays_and_others_are_refused(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:1])
    first = ["b,2024-01-02T00:00:00Z,steel,10", "b,2024-01-01T00:00:00Z,,", "c,2024-01-02T00:00:00Z,wood,10"]
    second = ["b,2024-01-02T00:00:00Z,steel,11", "b,2024-01-02T00:00:00Z,steel,10", "b,2024-01-02T00:00:00Z,,10",
              "b,2024-01-01T00:00:00Z,,", *["b,2024-01-03T00:00:00Z,steel,10"] * 2]  # fmt: skip
    into(tmp_path / "log", events, leads=[write_csv(tmp_path / "one.csv", first, VERSIONS)], buckets=1)
    report = into(tmp_path / "log", events, leads=[write_csv(tmp_path / "two.csv", second, VERSIONS)], buckets=1)
    assert (report.leads.accepted, report.leads.duplicate, report.leads.rejected) == (1, 3, 2)
    reason = "another profile version of this lead starts at the same time"
    assert rejected(report) == [("two.csv", 1, reason), ("two.csv", 3, reason)]
    assert profiles_of(tmp_path / "log", "b") == [
        (day(1), None, None), (day(2), "steel", 10.0), (day(3), "steel", 10.0)
    ]  # fmt: skip
    assert profiles_of(tmp_path / "log", "c") == [(day(2), "wood", 10.0)]


def test_a_lead_may_have_events_alone_or_profiles_alone(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:2])
    leads = write_csv(tmp_path / "leads.csv", ["z,2024-01-02T00:00:00Z,steel,10"], VERSIONS)
    into(tmp_path / "log", events, leads=[leads], buckets=1)
    log = EventLog.open(tmp_path / "log")
    assert log.bucket(0).lead_ids.to_pylist() == ["b", "z"]
    assert (log.find("b").n_events, len(log.find("b").profiles.valid_from)) == (2, 0)
    assert (log.find("z").n_events, len(log.find("z").profiles.valid_from)) == (0, 1)
