"""Aliases, merges and their ends: who a lead is, as of a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.histories import FAR, Histories
from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import IdentitiesPart
from tests.data.exports import HEADER as HEADER_OF_EVENTS
from tests.data.exports import NOW, PLAIN, into, logged, rejected, write_csv
from tests.data.test_versions import day

ALIASES = PLAIN.model_copy(
    update={"identities": (IdentitiesPart(alias="cookie", lead_id="contact", valid_from="since", valid_until="until"),)}
)
VISITS = [f"{lead},page_view,2024-01-0{at}T00:00:00Z,,,,web,{lead}{at}" for lead in "abc" for at in (1, 5)]


def told(folder: Path, name: str, aliases: list[str], lines: list[str] | None = None) -> EventLog:
    """A log after an ingest of visits and aliases."""
    path = folder / "log"
    events = [write_csv(folder / f"{name}.csv", lines)] if lines else []
    file = write_csv(folder / f"{name}-ids.csv", aliases, "cookie,contact,since,until")
    ingest(path, ALIASES, events, [], [file], clock=lambda: NOW, buckets=8)
    return EventLog.open(path)


def seen(log: EventLog, lead: str, at: int) -> list[int]:
    """Days of January of a lead's events that are valid at a day of January."""
    history = log.find(lead)
    ends = history.superseded_at if history.superseded_at is not None else [2**62] * history.n_events
    rows = zip(history.known_at.tolist(), ends, history.occurred_at.tolist(), strict=True)
    return sorted(
        round((occurred - day(1)) / 86_400_000_000) + 1 for known, end, occurred in rows if known < day(at) <= end
    )


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "events first"])
@pytest.mark.parametrize("is_compacted", [False, True], ids=["as it is", "compacted"])
def test_from_the_merge_on_a_lead_has_the_events_of_its_alias_and_before_it_has_not(
    tmp_path: Path, apart: bool, is_compacted: bool
) -> None:
    if apart:
        into(tmp_path / "log", write_csv(tmp_path / "first.csv", VISITS), buckets=8)
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"], None if apart else VISITS)
    if is_compacted:
        assert compact(log.path) == (len(log.folders) > 1)
        log = EventLog.open(log.path)
    assert [seen(log, "b", at) for at in (2, 3, 4, 9)] == [[1], [1], [1, 1], [1, 1, 5, 5]]
    assert [seen(log, "a", at) for at in (3, 4)] == [[1], []]
    assert seen(log, "c", 9) == [1, 5]
    absences = log.find("a").absences
    assert absences is not None
    assert (absences.from_at.tolist(), absences.until.tolist()) == ([day(3)], [2**62])
    others = log.find("c").absences
    assert others is None or not len(others.from_at)


def test_events_of_others_in_the_same_bucket_stay_theirs(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "first.csv", VISITS), buckets=1)
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"])
    assert log.n_buckets == 1
    assert [seen(log, lead, 9) for lead in "abc"] == [[], [1, 1, 5, 5], [1, 5]]


def test_the_same_again_adds_nothing_and_what_comes_later_goes_to_the_lead(tmp_path: Path) -> None:
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"], VISITS)
    again = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"], VISITS)
    assert (again.digest, again.n_events) == (log.digest, log.n_events)
    into(log.path, write_csv(tmp_path / "more.csv", ["a,page_view,2024-01-08T00:00:00Z,,,,web,a8"]), buckets=8)
    assert seen(EventLog.open(log.path), "b", 9) == [1, 1, 5, 5, 8]


def amounts(log: EventLog, lead: str, at: int) -> list[float]:
    """Values of a lead's events that are valid at a day of January."""
    return amounts_of(log.find(lead), at)


def amounts_of(history: Histories, at: int) -> list[float]:
    """The same of a history of one lead."""
    until = np.full(history.n_events, FAR) if history.superseded_at is None else history.superseded_at
    valid = (history.known_at < day(at)) & (day(at) <= until)
    return [value for value in history.value[valid].tolist() if value == value]


@pytest.mark.parametrize(("received", "since"), [("", 10), ("2024-01-06T00:00:00Z", 6), ("2024-01-02T00:00:00Z", 3)])
@pytest.mark.parametrize("later", ["2.5", ""], ids=["corrected", "retracted"])
def test_what_is_corrected_under_an_alias_after_the_merge_is_corrected_for_the_lead(
    tmp_path: Path, received: str, since: int, later: str
) -> None:
    """It is not lost to the one because the other has it."""
    mapping = ALIASES.model_copy(update={"events": (ALIASES.events[0].model_copy(update={"retracted": "gone"}),)})
    first, second = "a,page_view,2024-01-01T12:00:00Z,,,1.5,web,a1,", "a,page_view,2024-01-01T12:00:00Z"
    second = f"{second},{received},,{later or '1.5'},web,a1,{'' if later else 'true'}"
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-03T00:00:00Z,"], "cookie,contact,since,until")
    for at, lines, files in (
        (5, [first, "b,page_view,2024-01-01T00:00:00Z,,,,web,b1,"], [aliases]),
        (10, [second], []),
    ):
        file = write_csv(tmp_path / f"{at}.csv", lines, f"{HEADER_OF_EVENTS},gone")
        report = ingest(tmp_path / "log", mapping, [file], [], files, as_of=day(at), clock=lambda: NOW, buckets=8)
    assert (report.events.accepted, report.events.rejected, report.events.corrected) == (1, 0, 1)
    log = EventLog.open(tmp_path / "log")
    assert amounts(log, "b", since) == ([1.5] if since > 3 else [])
    assert [amounts(log, "b", at) for at in (since + 1, 20)] == [[float(later)] if later else []] * 2


def test_an_alias_that_says_the_old_again_brings_it_back_for_the_lead_too(tmp_path: Path) -> None:
    old, new = ("{},page_view,2024-01-01T12:00:00Z,,,{},web,a1".format(*row) for row in (("a", "1.5"), ("b", "2.5")))
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-03T00:00:00Z,"], "cookie,contact,since,until")
    for at, line, files in ((5, old, [aliases]), (7, new, []), (9, old, [])):
        file = write_csv(tmp_path / f"{at}.csv", [line])
        ingest(tmp_path / "log", ALIASES, [file], [], files, as_of=day(at), clock=lambda: NOW, buckets=8)
    log = EventLog.open(tmp_path / "log")
    assert [amounts(log, "b", at) for at in (6, 8, 20)] == [[1.5], [2.5], [1.5]]


def test_a_merge_and_a_correction_may_come_in_one_export(tmp_path: Path) -> None:
    line = "a,page_view,2024-01-01T12:00:00Z,,,{},web,a1"
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-03T00:00:00Z,"], "cookie,contact,since,until")
    for at, value, files in ((2, "1.5", []), (5, "2.5", [aliases])):
        file = write_csv(tmp_path / f"{at}.csv", [line.format(value)])
        report = ingest(tmp_path / "log", ALIASES, [file], [], files, as_of=day(at), clock=lambda: NOW, buckets=8)
    assert (report.events.accepted, report.events.rejected, report.events.corrected) == (1, 0, 1)
    assert [amounts(EventLog.open(tmp_path / "log"), "b", at) for at in (4, 6)] == [[1.5], [2.5]]


def test_what_was_corrected_before_the_merge_stays_so_when_an_old_export_comes_again(tmp_path: Path) -> None:
    line = "a,page_view,2024-01-01T12:00:00Z,,,{},web,a1"
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-06T00:00:00Z,"], "cookie,contact,since,until")
    for at, value, files in ((2, "1.5", []), (4, "2.5", [aliases]), (None, "1.5", [])):
        file = write_csv(tmp_path / f"{at}.csv", [line.format(value)])
        as_of = None if at is None else day(at)
        ingest(tmp_path / "log", ALIASES, [file], [], files, as_of=as_of, clock=lambda: NOW, buckets=8)
    assert amounts(EventLog.open(tmp_path / "log"), "b", 9) == [2.5]


def test_what_is_rejected_under_an_alias_is_rejected_for_the_lead(tmp_path: Path) -> None:
    """And counted once: the row is one, though two leads would have had it."""
    line = "a,page_view,2024-01-01T12:00:00Z,,,{},web,a1"
    file = write_csv(tmp_path / "twice.csv", [line.format("1.5"), line.format("2.5")])
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-03T00:00:00Z,"], "cookie,contact,since,until")
    report = ingest(tmp_path / "log", ALIASES, [file], [], [aliases], clock=lambda: NOW, buckets=8)
    assert (report.events.received, report.events.accepted, report.events.rejected) == (2, 1, 1)
    assert [row[:2] for row in rejected(report)] == [("twice.csv", 2)]
    assert amounts(EventLog.open(tmp_path / "log"), "b", 20) == [1.5]


def test_a_merge_does_not_make_a_source_look_alive(tmp_path: Path) -> None:
    """Nor does a correction: a source has told what it has told, until the newest time that its own rows say."""
    log = told(tmp_path, "events", [], [*VISITS, "b,email_sent,2024-01-09T00:00:00Z,,,,mail,m1"])
    assert log.watermarks.by_source() == {"web": day(5), "mail": day(9)}
    log = told(tmp_path, "merge", ["a,b,2024-01-20T00:00:00Z,"], ["c,email_sent,2024-01-22T00:00:00Z,,,,mail,m2"])
    file = write_csv(tmp_path / "late.csv", [VISITS[0].replace("web,", "web,", 1).replace(",,,,", ",,,7,")])
    report = ingest(log.path, ALIASES, [file], as_of=day(25), clock=lambda: NOW, buckets=8)
    assert report.events.corrected == 1
    log = EventLog.open(log.path)
    assert log.watermarks.by_source() == {"web": day(5), "mail": day(22)}
    assert log.observed_until_us >= day(25)


def test_a_chain_of_merges_ends_at_the_last_lead(tmp_path: Path) -> None:
    log = told(tmp_path, "first", ["a,b,2024-01-03T00:00:00Z,"], VISITS)
    log = told(tmp_path, "second", ["b,c,2024-01-06T00:00:00Z,"])
    assert [seen(log, "c", at) for at in (6, 7)] == [[1, 5], [1, 1, 1, 5, 5, 5]]
    assert seen(log, "b", 9) == []


def test_what_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "first.csv", VISITS), buckets=8)
    lines = [f"{pair},2024-01-0{at}T00:00:00Z," for at, pair in enumerate(("a,b", "b,a", "c,c", "a,c", "a,b"), start=1)]
    file = write_csv(tmp_path / "ids.csv", [*lines, "d,,2024-01-01T00:00:00Z,"], "cookie,contact,since,until")
    report = ingest(tmp_path / "log", ALIASES, [], [], [file], clock=lambda: NOW)
    counts = report.identities
    assert (counts.received, counts.accepted, counts.duplicate, counts.rejected) == (6, 1, 1, 4)
    assert rejected(report) == [
        ("ids.csv", 2, "alias 'b' would be its own lead, directly or by way of others"),
        ("ids.csv", 3, "alias 'c' would be its own lead, directly or by way of others"),
        ("ids.csv", 4, "alias 'a' belongs to another lead already"),
        ("ids.csv", 6, "lead_id is missing"),
    ]


def test_erasing_a_lead_takes_its_events_its_aliases_and_their_absences(tmp_path: Path) -> None:
    visits = [line.replace("a,", "alias-a,", 1) if line[0] == "a" else line for line in VISITS]
    log = told(tmp_path, "merge", ["alias-a,b,2024-01-03T00:00:00Z,"], visits)
    assert erase_from_log(log.path, "b").rows == 2 + 1 + 4
    log = EventLog.open(log.path)
    assert {row["lead_id"] for row in logged(log.path)} == {"c"}
    assert log.n_leads == 1
    assert all(b"alias-a" not in path.read_bytes() for path in log.path.rglob("*") if path.is_file())


def test_what_was_anothers_for_a_time_stays_when_that_is_erased_and_can_still_be_corrected(tmp_path: Path) -> None:
    log = told(tmp_path, "apart", ["alias-a,b,2024-01-03T00:00:00Z,2024-01-07T00:00:00Z"], [
        line.replace("a,", "alias-a,", 1) if line[0] == "a" else line for line in VISITS
    ])  # fmt: skip
    erase_from_log(log.path, "b")
    assert [seen(EventLog.open(log.path), "alias-a", at) for at in (3, 6, 9)] == [[1], [], [1, 5]]
    late = write_csv(tmp_path / "late.csv", ["alias-a,page_view,2024-01-02T00:00:00Z,,,,web,a1"])
    ingest(log.path, ALIASES, [late], as_of=day(9), clock=lambda: NOW)
    assert [seen(EventLog.open(log.path), "alias-a", at) for at in (3, 6, 9, 10)] == [[1], [], [1, 5], [2, 5]]


def test_an_alias_that_is_separated_is_a_lead_of_its_own_again(tmp_path: Path) -> None:
    """What was seen before stays; from then on each has its own, also of what comes later."""
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"], VISITS)
    digest = log.digest
    for name in ("separated", "again"):
        log = told(tmp_path, name, ["a,b,2024-01-03T00:00:00Z,2024-01-07T00:00:00Z"])
    assert log.digest != digest
    into(log.path, write_csv(tmp_path / "more.csv", ["a,page_view,2024-01-08T00:00:00Z,,,,web,a8"]), buckets=8)
    log = EventLog.open(log.path)
    assert [seen(log, "b", at) for at in (3, 4, 7, 8, 9)] == [[1], [1, 1], [1, 1, 5, 5], [1, 5], [1, 5]]
    assert [seen(log, "a", at) for at in (3, 4, 7, 8, 9)] == [[1], [], [], [1, 5], [1, 5, 8]]
    absences = log.find("a").absences
    assert absences is not None
    assert (absences.from_at.tolist(), absences.until.tolist()) == ([day(3)], [day(7)])
    assert compact(log.path)
    assert [seen(EventLog.open(log.path), "b", at) for at in (7, 8)] == [[1, 1, 5, 5], [1, 5]]


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "one after the other"])
def test_an_alias_may_be_of_one_lead_and_later_of_another(tmp_path: Path, apart: bool) -> None:
    rows = ["a,b,2024-01-02T00:00:00Z,2024-01-04T00:00:00Z", "a,c,2024-01-07T00:00:00Z,"]
    for number, some in enumerate(([rows[0]], [rows[1]]) if apart else (rows,)):
        log = told(tmp_path, f"part-{number}", some, [] if number else VISITS)
    assert [seen(log, "b", at) for at in (3, 5, 9)] == [[1, 1], [1], [1, 5]]
    assert [seen(log, "c", at) for at in (3, 7, 8)] == [[1], [1, 5], [1, 1, 5, 5]]
    assert [seen(log, "a", at) for at in (2, 3, 5, 8)] == [[1], [], [1], []]


def test_what_is_corrected_while_an_alias_is_anothers_is_corrected_afterwards_too(tmp_path: Path) -> None:
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"], VISITS)
    late = write_csv(tmp_path / "late.csv", ["a,page_view,2024-01-02T00:00:00Z,,,,web,a1"])
    ingest(log.path, ALIASES, [late], as_of=day(6), clock=lambda: NOW)
    log = told(tmp_path, "separated", ["a,b,2024-01-03T00:00:00Z,2024-01-08T00:00:00Z"])
    assert [seen(log, "b", at) for at in (4, 7, 9)] == [[1, 1], [1, 2, 5, 5], [1, 5]]
    assert seen(log, "a", 9) == [2, 5]


def test_a_version_of_an_earlier_time_does_not_come_back_with_the_merge(tmp_path: Path) -> None:
    """The newer version is known first; the older one, dated before it, is read after the merge."""
    aliases = write_csv(tmp_path / "ids.csv", ["a,b,2024-01-06T00:00:00Z,"], "cookie,contact,since,until")
    for number, (received, value) in enumerate((("2024-01-04T00:00:00Z", "2.5"), ("2024-01-02T00:00:00Z", "1.5"))):
        file = write_csv(tmp_path / f"{number}.csv", [f"a,page_view,2024-01-01T12:00:00Z,{received},,{value},web,a1"])
        ingest(tmp_path / "log", ALIASES, [file], [], [aliases], clock=lambda: NOW, buckets=8)
    log = EventLog.open(tmp_path / "log")
    assert [amounts(log, "a", at) for at in (3, 5)] == [[1.5], [2.5]]
    assert [amounts(log, "b", at) for at in (7, 20)] == [[2.5], [2.5]]


def test_of_two_copies_in_one_export_the_earlier_date_counts_under_an_alias_too(tmp_path: Path) -> None:
    lines = [f"a,page_view,2024-01-01T12:00:00Z,2024-01-0{at}T00:00:00Z,,1.5,web,a1" for at in (8, 5)]
    told(tmp_path, "copies", ["a,b,2024-01-03T00:00:00Z,"], lines)
    log = EventLog.open(tmp_path / "log")
    assert [amounts(log, "b", at) for at in (5, 6, 9)] == [[], [1.5], [1.5]]


def test_a_chain_of_one_export_joins_at_each_merge(tmp_path: Path) -> None:
    """And not late, when the last of them is known."""
    log = told(tmp_path, "chain", ["a,b,2024-01-03T00:00:00Z,", "b,c,2024-01-06T00:00:00Z,"], VISITS)
    assert [seen(log, "b", at) for at in (3, 4, 6, 7)] == [[1], [1, 1], [1, 1, 5, 5], []]
    assert [seen(log, "c", at) for at in (6, 7)] == [[1, 5], [1, 1, 1, 5, 5, 5]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,b,2024-01-03T00:00:00Z,2024-01-06T00:00:00Z", "alias 'a' was its lead's until another time already"),
        ("a,c,2024-01-04T00:00:00Z,2024-01-06T00:00:00Z", "alias 'a' belongs to another lead already"),
        ("c,b,2024-01-04T00:00:00Z,2024-01-04T00:00:00Z", "valid_until does not lie behind valid_from"),
        ("c,b,2024-01-04T00:00:00Z,soon", "valid_until 'soon' is no time in ISO 8601"),
        ("b,a,2024-01-04T00:00:00Z,", "alias 'b' would be its own lead, directly or by way of others"),
    ],
)
def test_what_contradicts_the_end_of_an_alias_is_refused_by_name(tmp_path: Path, line: str, reason: str) -> None:
    told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,2024-01-05T00:00:00Z"], VISITS)
    file = write_csv(tmp_path / "odd.csv", [line, "b,a,2024-01-05T00:00:00Z,"], "cookie,contact,since,until")
    report = ingest(tmp_path / "log", ALIASES, [], [], [file], clock=lambda: NOW)
    assert [row[1:] for row in rejected(report)] == [(1, reason)]
    assert report.identities.accepted == 1, "the other way round after the end"


def test_of_a_corrected_event_of_an_alias_the_lead_has_what_was_said_last(tmp_path: Path) -> None:
    versions = [f"a,page_view,2024-01-01T00:00:00Z,2024-01-0{at}T00:00:00Z,,{at},web,x" for at in (1, 2)]
    told(tmp_path, "before", [], versions)
    history = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z,"]).find("b")
    assert (history.known_at.tolist(), history.value.tolist()) == ([day(3)], [2.0])
