"""What the door does to rows: each is accepted, a duplicate, or rejected with source, number and reason."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.contract import UsageError
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import Mapping
from tests.data.exports import HEADER, NOW, PLAIN, adds_up, event_set, into, logged, rejected, write_csv
from tests.oracles.door_naive import Door, take_all

NAMES = HEADER.split(",")
US = 1_000_000
GOOD = [
    "l1,page_view,2024-01-01T10:00:00Z,,web,1.5,crm,1",
    "l1,email_sent,2024-01-02T10:00:00Z,2024-01-04T00:00:00Z,email,,crm,2",
    "l2,page_view,2024-01-03T10:00:00Z,,,,crm,3",
    "l2,page_view,2024-01-03T10:00:00Z,,,,,",
]


def mostly(good: list[str], bad: list[str]) -> st.SearchStrategy[str]:
    """A good value about nine times out of ten."""
    return st.sampled_from(good * (1 + 9 * len(bad) // len(good)) + bad)


INSTANTS = ["2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", "2024-01-02T00:00:00.000001Z"]
CELLS = {
    "lead": mostly(["l1", "l2", "l3", "l1 "], ["", "x" * 201]),
    "type": mostly(["page_view", "email_sent"], ["", "a\tb"]),
    "at": mostly([*INSTANTS, "2024-01-03 10:00"], ["never", ""]),
    "received": mostly(["", "2024-01-05T00:00:00Z", "2023-01-05T00:00:00Z"], ["2025-06-01T00:00:00Z", "x"]),
    "channel": mostly(["", "web"], ["w" * 201, "w\tb"]),
    "value": mostly(["", "1", "-2.00005", "1.00015", "5e11"], ["nan", "-inf", "1e999", "six", "6e11"]),
    "origin": st.sampled_from(["", "crm"]),
    "id": st.sampled_from(["", "", *"123456789"]),
}
line = st.one_of(
    *[st.fixed_dictionaries(CELLS)] * 6,
    st.sampled_from(["l1,page_view", "a,b,c,d,e,f,g,h,i", 'l1,"page_view,,,,,,', "\xff"]),
)
Source = Sequence[dict[str, str] | str]


@st.composite
def batches(draw: st.DrawFn) -> list[list[Source]]:
    """Ingests of one or two files each, whose lines come from one pool, so that many come again."""
    pool = st.sampled_from(draw(st.lists(line, min_size=8, max_size=12)))
    source: st.SearchStrategy[Source] = st.lists(pool, min_size=10, max_size=20)
    return draw(st.lists(st.lists(source, min_size=1, max_size=2), min_size=1, max_size=2))


def write(path: Path, rows: Source) -> str:
    """One CSV file; a text stands as it is, and as bytes that are no UTF-8 where it has a ÿ."""
    lines = [row if isinstance(row, str) else ",".join(row[name] for name in NAMES) for row in rows]
    path.write_bytes("".join(f"{text}\n" for text in [HEADER, *lines]).encode("latin-1"))
    return str(path)


def contents(path: Path) -> list[tuple[object, ...]]:
    """What `Door.events` tells of a log."""
    fields = ("lead_id", "event_type", "occurred_at", "known_at", "superseded_at", "channel", "value", "source")
    return sorted((tuple(event[name] for name in fields) for event in logged(path)), key=repr)


@pytest.mark.proof("sums")
def test_every_row_of_many_batches_is_accounted_for(full: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Beside an independent door in plain Python: the same events, sums and rejected rows."""
    seen = {"accepted": 0, "duplicate": 0, "rejected": 0}

    @settings(
        max_examples=10_000 if full else 25,
        derandomize=not full,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(batches(), st.sampled_from([None, "Europe/Berlin"]))
    def check(batches: list[list[Source]], zone: str | None) -> None:
        folder = tmp_path_factory.mktemp("sums")
        door = Door(int(NOW * US), zone)
        mapping = PLAIN.model_copy(update={"events": (PLAIN.events[0].model_copy(update={"time_zone": zone}),)})
        for number, sources in enumerate(batches):
            if not any(isinstance(row, dict) and door.fits(row) for rows in sources for row in rows):
                continue  # a batch without a single good row is refused as a whole
            door.batch = number
            before = (door.received, door.accepted, door.duplicate, len(door.rejected))
            paths = [write(folder / f"{number}-{part}.csv", rows) for part, rows in enumerate(sources)]
            for path, rows in zip(paths, sources, strict=True):
                take_all(door, Path(path).name, [row if isinstance(row, dict) else None for row in rows])
            counts = into(folder / "log", *paths, mapping=mapping, buckets=1).events
            after = (door.received, door.accepted, door.duplicate, len(door.rejected))
            reported = (counts.received, counts.accepted, counts.duplicate, counts.rejected)
            assert reported == tuple(now - then for now, then in zip(after, before, strict=True))
            for name in seen:
                seen[name] += getattr(counts, name)
        if door.received:
            log = EventLog.open(folder / "log")
            assert contents(folder / "log") == door.events
            assert {(name, number) for name, number, _ in quarantine(log)} == door.rejected

    check()
    assert min(seen.values()) >= 30, seen


def quarantine(log: EventLog) -> list[tuple[str, int, str]]:
    return [
        (record["source"], record["row"], record["reason"])
        for record in (row for path in log.rejected_paths for row in pq.read_table(path).to_pylist())
    ]


def test_what_comes_twice_adds_nothing(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "events.csv", [*GOOD, "l1,page_view,never,,,,,"])
    first = into(tmp_path / "log", file)
    known = rejected(first)
    digest = EventLog.open(tmp_path / "log").digest
    again = into(tmp_path / "log", file)
    assert (first.events.accepted, first.events.rejected) == (4, 1)
    assert (again.events.accepted, again.events.duplicate, again.events.rejected) == (0, 4, 1)
    assert EventLog.open(tmp_path / "log").digest == digest
    assert rejected(again) == known


def test_the_order_of_files_and_ingests_does_not_matter(tmp_path: Path) -> None:
    """Of files that say the same; one that says that it was received at another time is a matter of what came first."""
    parts = [GOOD[:2], GOOD[2:], GOOD[:3]]
    files = [write_csv(tmp_path / f"{i}.csv", lines) for i, lines in enumerate(parts)]
    digests = set()
    for number, order in enumerate(itertools.permutations(files)):
        into(tmp_path / f"at-once-{number}", *order)
        for file in order:
            into(tmp_path / f"one-by-one-{number}", file)
        digests |= {EventLog.open(tmp_path / f"{how}-{number}").digest for how in ("at-once", "one-by-one")}
    assert len(digests) == 1


def test_a_duplicate_received_later_keeps_the_earliest(tmp_path: Path) -> None:
    late, early = (f"l1,page_view,2024-01-01T00:00:00Z,2024-01-0{day}T00:00:00Z,,,crm,1" for day in (9, 3))
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [late, early]))
    assert logged(tmp_path / "log")[0]["known_at"] == 1704240000 * US
    into(tmp_path / "log", write_csv(tmp_path / "b.csv", [late]))
    assert [event["known_at"] for event in logged(tmp_path / "log")] == [1704240000 * US]


def test_an_id_means_its_source(tmp_path: Path) -> None:
    lines = [f"l1,page_view,2024-01-01T10:00:00Z,,,,{origin},1" for origin in ("crm", "site", "")]
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", lines))
    assert (report.events.accepted, report.events.duplicate) == (3, 0)


@pytest.mark.parametrize("lead", ["l1", "l2"])
def test_an_id_with_another_content_in_one_export_is_a_conflict(tmp_path: Path, lead: str) -> None:
    first = "l1,page_view,2024-01-01T10:00:00Z,,,,crm,7"
    other = f"{lead},email_sent,2024-01-01T10:00:00Z,,,,crm,7"
    report = into(tmp_path / "log", write_csv(tmp_path / "b.csv", [first, GOOD[2], other]), buckets=8)
    assert adds_up(report)
    assert rejected(report) == [("b.csv", 3, "event_id '7' is taken by an event with another content")]
    assert {(event[0], event[1]) for event in event_set(tmp_path / "log")} == {("l1", "page_view"), ("l2", "page_view")}


def test_exact_copies_without_an_id_are_one_event(tmp_path: Path) -> None:
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", [GOOD[3], GOOD[3]]))
    assert (report.events.accepted, report.events.duplicate) == (1, 1)


def test_profiles_are_versions(tmp_path: Path) -> None:
    events = write_csv(tmp_path / "events.csv", GOOD)
    lines = [
        "l1,2024-01-01T00:00:00Z,steel,10", "l1,2024-01-01T00:00:00Z,steel,10", "l1,2024-02-01T00:00:00Z,steel,20",
        "l1,2024-01-01T00:00:00Z,wood,10", "l9,2024-01-01T00:00:00Z,wood,many", ",2024-01-01T00:00:00Z,wood,1",
    ]  # fmt: skip
    leads = write_csv(tmp_path / "leads.csv", lines, "lead,since,industry,employees")
    report = into(tmp_path / "log", events, leads=[leads])
    assert (report.leads.accepted, report.leads.duplicate, report.leads.rejected) == (3, 1, 2)
    assert adds_up(report)
    assert rejected(report) == [
        ("leads.csv", 4, "another profile version of this lead starts at the same time"),
        ("leads.csv", 6, "lead_id is missing"),
    ]
    assert report.cells == {"employees … is no number": 1}
    log = EventLog.open(tmp_path / "log")
    assert log.find("l9").profiles.columns.to_pylist() == [{"industry": "wood", "employees": None}]
    profiles = log.find("l1").profiles
    assert profiles.columns.to_pylist() == [
        {"industry": "steel", "employees": 10.0},
        {"industry": "steel", "employees": 20.0},
    ]


def test_a_profile_column_keeps_its_kind(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "events.csv", GOOD))
    digest = EventLog.open(tmp_path / "log").digest
    leads = PLAIN.leads[0].model_copy(update={"categories": ("employees",), "numbers": ()})
    with pytest.raises(UsageError, match="'employees' is a category here and a number in the log"):
        into(
            tmp_path / "log",
            write_csv(tmp_path / "events.csv", GOOD),
            mapping=PLAIN.model_copy(update={"leads": (leads,)}),
        )
    assert EventLog.open(tmp_path / "log").digest == digest


RUN = """
import sys; from pathlib import Path
from tests.data.exports import PLAIN, into
into(Path(sys.argv[1]), sys.argv[2], mapping=PLAIN.model_copy(
    update={"events": (PLAIN.events[0].model_copy(update={"time_zone": "Europe/Berlin"}),)}))
"""


def test_the_log_is_the_same_whatever_zone_the_process_runs_in(tmp_path: Path) -> None:
    lines = [*GOOD, "l3,page_view,2024-10-27 02:30,,,,,", "l3,page_view,2024-03-31 02:30,2024-06-01,,,,"]
    file = write_csv(tmp_path / "events.csv", lines)
    zones = ("UTC", "Europe/Berlin", "Asia/Kathmandu")
    running = [
        subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / zone), file], env={**os.environ, "TZ": zone})
        for zone in zones
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len({EventLog.open(tmp_path / zone).digest for zone in zones}) == 1


def test_the_clock_is_the_wall_clock_by_default(tmp_path: Path) -> None:
    lines = [GOOD[0], time.strftime("l1,page_view,%Y-%m-%dT%H:%M:%SZ,,,,,", time.gmtime(time.time() + 3600))]
    report = ingest(tmp_path / "log", PLAIN, [write_csv(tmp_path / "a.csv", lines)], buckets=1)
    assert (report.events.accepted, report.events.rejected) == (1, 1)


def test_a_bot_that_answers_at_once_is_labelled_not_dropped(tmp_path: Path) -> None:
    rule = {"name": "instant", "types": ("email_click",), "after": "email_sent", "seconds": 5}
    mapping = Mapping(**{**PLAIN.model_dump(), "bots": (rule,)})
    happened = {"10:00:00": "email_sent", "10:00:03": "email_click", "10:00:40": "email_click"}
    lines = [f"l1,{kind},2024-01-01T{at}Z,,,,," for at, kind in happened.items()]
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", lines), mapping=mapping)
    assert [event["bot"] for event in logged(tmp_path / "log")] == [False, True, False]


PERSONAL = ["Ada Lovelace", "ada@example.org", "+44 20 7946 0958"]


def holds_personal_data(folder: Path, report_text: str) -> list[str]:
    """What of PERSONAL stands in any file of a folder, or in a text."""
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()) + report_text.encode()
    return [text for text in PERSONAL if text.encode() in written]


def personal_mapping(categories: tuple[str, ...] = ()) -> Mapping:
    leads = {"lead_id": "lead", "valid_from": "since", "personal": tuple({"name", "mail", "phone"} - set(categories))}
    return Mapping(
        **{**PLAIN.model_dump(), "leads": {**leads, "categories": categories, "flags": {"has_mail": "mail"}}}
    )


@pytest.mark.parametrize(("categories", "personal"), [((), []), (("name",), PERSONAL[:1])])
def test_personal_columns_stay_outside(tmp_path: Path, categories: tuple[str, ...], personal: list[str]) -> None:
    """The second case keeps one on purpose: the search must find it."""
    people = ",".join(PERSONAL)
    lines = [
        f"l1,2024-01-01T00:00:00Z,{people}",
        f"l1,never,{people}",
        f",2024-01-01T00:00:00Z,{people}",
        f"l1,{people}",
    ]
    leads = write_csv(tmp_path / "leads.csv", lines, "lead,since,name,mail,phone")
    events = write_csv(tmp_path / "events.csv", [*GOOD, f"l1,page_view,{PERSONAL[1]} {PERSONAL[2]},,,,,"])
    report = into(tmp_path / "log", events, leads=[leads], mapping=personal_mapping(categories))
    assert (report.leads.accepted, report.leads.rejected, report.events.rejected) == (1, 3, 1)
    assert EventLog.open(tmp_path / "log").find("l1").profiles.columns.column("has_mail").to_pylist() == ["yes"]
    assert holds_personal_data(tmp_path / "log", str(report)) == personal
