"""Rows that say something else about what is known: versions, each from its time on, or conflicts of one export."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.sources.mapping import LeadsPart
from tests.data.exports import HEADER, NOW, PLAIN, into, logged, rejected, write_csv

FIRST = "l1,page_view,2024-01-05T10:00:00Z,2024-01-20T00:00:00Z,web,1.5,crm,7"
OTHER_VALUE = FIRST.replace("1.5", "2.5").replace("01-20", "01-06")
OTHER_LEAD = FIRST.replace("l1", "l2").replace("01-20", "01-06")
SAME_EARLIER = FIRST.replace("01-20", "01-10")
TAKEN = "event_id '7' is taken by an event with another content"


def day(number: int, hour: int = 0) -> int:
    return int(np.datetime64(f"2024-01-{number:02d}T{hour:02d}", "us").astype(np.int64))


SINCE_EXPORT = int(NOW * 1_000_000)


def versions(folder: Path) -> list[tuple[object, ...]]:
    """Lead, value, known_at and superseded_at of all versions, the oldest first."""
    rows = sorted(logged(folder), key=lambda row: row["known_at"])
    return [tuple(row[name] for name in ("lead_id", "value", "known_at", "superseded_at")) for row in rows]


def test_of_rows_of_one_export_that_contradict_each_other_the_first_stays(tmp_path: Path) -> None:
    """Another lead at any time, another value without dates that tell which is newer."""
    undated = [line.replace("2024-01-20T00:00:00Z", "") for line in (FIRST, FIRST.replace("1.5", "2.5"))]
    for number, lines in enumerate(([FIRST, OTHER_LEAD], undated)):
        report = into(tmp_path / f"log-{number}", write_csv(tmp_path / "a.csv", lines))
        assert [reason for _, _, reason in rejected(report)] == [TAKEN]
        assert [version[:2] for version in versions(tmp_path / f"log-{number}")] == [("l1", 1.5)]


def test_dated_rows_of_one_event_are_its_versions_in_whatever_order_they_come(tmp_path: Path) -> None:
    expected = [("l1", 2.5, day(6), day(20)), ("l1", 1.5, day(20), None)]
    for number, batches in enumerate(([[FIRST, OTHER_VALUE]], [[OTHER_VALUE], [FIRST]], [[FIRST], [OTHER_VALUE]])):
        for lines in batches:
            into(tmp_path / f"log-{number}", write_csv(tmp_path / "a.csv", lines))
        assert versions(tmp_path / f"log-{number}") == expected


def test_a_copy_makes_it_known_earlier_in_one_export_and_adds_nothing_later(tmp_path: Path) -> None:
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", [FIRST, SAME_EARLIER]))
    assert (report.events.accepted, report.events.duplicate) == (1, 1)
    report = into(tmp_path / "log", write_csv(tmp_path / "b.csv", [FIRST.replace("01-20", "01-07")]))
    assert (report.events.accepted, report.events.duplicate) == (0, 1)
    assert versions(tmp_path / "log") == [("l1", 1.5, day(10), None)]


UNDATED = FIRST.replace("2024-01-20T00:00:00Z", "")


def test_a_later_export_corrects_from_its_time_on(tmp_path: Path) -> None:
    """What was known before stays as it was; the same export again adds nothing, an old one does not undo it."""
    files = [write_csv(tmp_path / f"{value}.csv", [UNDATED.replace("1.5", value)]) for value in ("1.5", "2.5")]
    # Later by the clock, but nobody says when they were exported.
    times = [NOW, NOW, NOW + 86_400, NOW + 172_800]
    counts = [ingest(tmp_path / "log", PLAIN, [file], clock=partial(float, now), buckets=2).events
              for file, now in zip((*files, *files), times, strict=True)]  # fmt: skip
    assert [(row.accepted, row.duplicate, row.corrected) for row in counts] == [
        (1, 0, 0), (1, 0, 1), (0, 1, 0), (0, 1, 0)
    ]  # fmt: skip
    assert versions(tmp_path / "log") == [("l1", 1.5, day(5, 10), SINCE_EXPORT), ("l1", 2.5, SINCE_EXPORT, None)]


def test_an_export_with_a_time_of_its_own_brings_an_old_value_back(tmp_path: Path) -> None:
    for number, value in enumerate(("1.5", "2.5", "1.5")):
        file = write_csv(tmp_path / "a.csv", [UNDATED.replace("1.5", value)])
        ingest(tmp_path / "log", PLAIN, [file], as_of=day(10 + number), clock=lambda: NOW, buckets=2)
    times = [day(5, 10), day(11), day(12), None]
    assert versions(tmp_path / "log") == [
        ("l1", value, *times[place : place + 2]) for place, value in enumerate((1.5, 2.5, 1.5))
    ]


def test_of_two_events_that_say_the_same_only_the_corrected_one_ends(tmp_path: Path) -> None:
    """The second correction comes later and is of an earlier time."""
    twin = UNDATED.replace(",7", ",8")
    for number, lines in (
        (10, [UNDATED, twin]),
        (20, [UNDATED.replace("1.5", "2.5")]),
        (15, [UNDATED.replace("1.5", "3.5")]),
    ):
        file = write_csv(tmp_path / "a.csv", lines)
        ingest(tmp_path / "log", PLAIN, [file], as_of=day(number), clock=lambda: NOW, buckets=2)
    ends = {(value, known): end for _, value, known, end in versions(tmp_path / "log") if value != 1.5}
    assert ends == {(3.5, day(15)): day(20), (2.5, day(20)): None}
    assert {end for _, value, _, end in versions(tmp_path / "log") if value == 1.5} == {day(15), None}


def test_an_event_that_moves_to_another_lead_leaves_the_first_one(tmp_path: Path) -> None:
    """As after a merge in the CRM."""
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [UNDATED]), buckets=8)
    report = into(tmp_path / "log", write_csv(tmp_path / "b.csv", [UNDATED.replace("l1", "l2")]), buckets=8)
    assert (report.events.accepted, report.events.corrected) == (1, 1)
    assert versions(tmp_path / "log") == [("l1", 1.5, day(5, 10), SINCE_EXPORT), ("l2", 1.5, SINCE_EXPORT, None)]
    assert EventLog.open(tmp_path / "log").n_leads == 2


RETRACTING = PLAIN.model_copy(update={"events": (PLAIN.events[0].model_copy(update={"retracted": "gone"}),)})


def test_a_retraction_takes_an_event_back_from_its_time_on(tmp_path: Path) -> None:
    header = f"{HEADER},gone"
    for number, lines in enumerate(([f"{UNDATED},"], [f"{UNDATED},true", f"{UNDATED.replace(',7', ',8')},TRUE"])):
        file = write_csv(tmp_path / f"{number}.csv", lines, header)
        report = into(tmp_path / "log", file, mapping=RETRACTING)
    assert (report.events.accepted, report.events.rejected, report.events.corrected) == (1, 1, 1)
    assert rejected(report) == [("1.csv", 2, "event_id '8' is not in the log, so it cannot be retracted")]
    assert versions(tmp_path / "log") == [("l1", 1.5, day(5, 10), SINCE_EXPORT)]
    again = into(tmp_path / "log", file, mapping=RETRACTING)
    assert (again.events.accepted, again.events.duplicate) == (0, 1)
    file = write_csv(tmp_path / "odd.csv", [f"{UNDATED},perhaps", f"{UNDATED},no"], header)
    report = into(tmp_path / "log", file, mapping=RETRACTING)
    assert rejected(report) == [("odd.csv", 1, "retracted 'perhaps' is neither true nor false")]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_an_id_that_several_leads_claim_is_the_first_ones(tmp_path: Path, order: tuple[int, ...]) -> None:
    """They lie in different buckets, of which none sees that alone."""
    claims = [FIRST.replace("l1", f"l{lead}") for lead in order]
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", [*claims, claims[0]]), buckets=8)
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (1, 1, 2)
    assert [row[1] for row in rejected(report)] == [2, 3]
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


@pytest.mark.parametrize("order", [1, -1])
def test_events_that_come_one_by_one_lie_in_the_same_order(tmp_path: Path, order: int) -> None:
    """But for those that differ in source or id alone, of which a history is the same in any order."""
    lines = [*LINES, "b,page_view,2024-01-02T00:00:00Z,2024-01-05T00:00:00Z,web,9,crm,10"]
    for number, line in enumerate(lines[::order]):
        into(tmp_path / "log", write_csv(tmp_path / f"{number}.csv", [line]), buckets=1)
    into(tmp_path / "whole", write_csv(tmp_path / "whole.csv", lines), buckets=1)
    apart, whole = (
        [[value for name, value in event.items() if name not in ("source", "event_id")] for event in logged(folder)]
        for folder in (tmp_path / "log", tmp_path / "whole")
    )
    assert apart == whole


VERSIONS = "lead,since,industry,employees"


def profiles_of(folder: Path, lead: str) -> list[tuple[int, object, object]]:
    profiles = EventLog.open(folder).find(lead).profiles
    rows = profiles.columns.to_pylist()
    return [(at, row["industry"], row["employees"]) for at, row in zip(profiles.valid_from.tolist(), rows, strict=True)]


def test_what_is_said_otherwise_of_a_known_time_holds_from_the_export_on(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:1])
    first = ["b,2024-01-02T00:00:00Z,steel,10", "b,2024-01-01T00:00:00Z,,", "c,2024-01-02T00:00:00Z,wood,10"]
    second = ["b,2024-01-02T00:00:00Z,steel,11", "b,2024-01-02T00:00:00Z,steel,10", "b,2024-01-02T00:00:00Z,,10",
              "b,2024-01-01T00:00:00Z,,", *["b,2024-01-03T00:00:00Z,steel,10"] * 2]  # fmt: skip
    into(tmp_path / "log", events, leads=[write_csv(tmp_path / "one.csv", first, VERSIONS)], buckets=1)
    report = into(tmp_path / "log", events, leads=[write_csv(tmp_path / "two.csv", second, VERSIONS)], buckets=1)
    assert (report.leads.accepted, report.leads.duplicate, report.leads.rejected) == (2, 3, 1)
    assert (report.leads.corrected, EventLog.open(tmp_path / "log").manifest.n_overwritten) == (1, 1)
    assert rejected(report) == [("two.csv", 3, "another profile version of this lead starts at the same time")]
    assert profiles_of(tmp_path / "log", "b") == [
        (day(1), None, None), (day(2), "steel", 10.0), (day(3), "steel", 10.0), (SINCE_EXPORT, "steel", 11.0)
    ]  # fmt: skip
    assert profiles_of(tmp_path / "log", "c") == [(day(2), "wood", 10.0)]


def test_a_profile_with_a_date_of_its_own_is_a_version_from_then_on_and_the_same_again_adds_nothing(
    tmp_path: Path,
) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:1])
    weeks = [
        ["b,2024-01-01T00:00:00Z,lead,", "c,2024-01-01T00:00:00Z,lead,50"],
        ["b,2024-01-20T00:00:00Z,customer,120", "c,2024-01-01T00:00:00Z,lead,50", "d,2024-01-20T00:00:00Z,lead,9"],
    ]
    reports = [
        into(tmp_path / "log", events, leads=[write_csv(tmp_path / f"{week}.csv", rows, VERSIONS)], buckets=1)
        for week, rows in enumerate(weeks)
    ]
    assert [(one.leads.accepted, one.leads.duplicate, one.leads.corrected) for one in reports] == [(2, 0, 0), (2, 1, 0)]
    assert profiles_of(tmp_path / "log", "b") == [(day(1), "lead", None), (day(20), "customer", 120.0)]


def test_a_column_that_a_later_export_brings_is_unknown_before_it(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:1])
    narrow = PLAIN.model_copy(
        update={"leads": (LeadsPart(lead_id="lead", valid_from="since", categories=("industry",)),)}
    )
    first = write_csv(tmp_path / "one.csv", [f"{lead},2024-01-02T00:00:00Z,steel,10" for lead in "bcdefgh"], VERSIONS)
    into(tmp_path / "log", events, leads=[first], mapping=narrow, buckets=1)
    second = write_csv(tmp_path / "two.csv", ["b,2024-01-03T00:00:00Z,steel,11"], VERSIONS)
    into(tmp_path / "log", events, leads=[second], buckets=1)
    assert len(EventLog.open(tmp_path / "log").folders) == 2
    assert profiles_of(tmp_path / "log", "b") == [(day(2), "steel", None), (day(3), "steel", 11.0)]
    compact(tmp_path / "log")
    assert profiles_of(tmp_path / "log", "b") == [(day(2), "steel", None), (day(3), "steel", 11.0)]


def test_a_lead_may_have_events_alone_or_profiles_alone(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", LINES[:2])
    leads = write_csv(tmp_path / "leads.csv", ["z,2024-01-02T00:00:00Z,steel,10"], VERSIONS)
    into(tmp_path / "log", events, leads=[leads], buckets=1)
    log = EventLog.open(tmp_path / "log")
    assert log.bucket(0).lead_ids.to_pylist() == ["b", "z"]
    assert (log.find("b").n_events, len(log.find("b").profiles.valid_from)) == (2, 0)
    assert (log.find("z").n_events, len(log.find("z").profiles.valid_from)) == (0, 1)
