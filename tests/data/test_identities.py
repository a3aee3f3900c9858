"""Aliases, merges and full exports: who a lead is, as of a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import DataError
from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import IdentitiesPart, LeadsPart
from tests.data.exports import NOW, PLAIN, into, logged, rejected, write_csv
from tests.data.test_versions import day

ALIASES = PLAIN.model_copy(update={"identities": IdentitiesPart(alias="cookie", lead_id="contact", valid_from="since")})
VISITS = [f"{lead},page_view,2024-01-0{at}T00:00:00Z,,,,web,{lead}{at}" for lead in "abc" for at in (1, 5)]


def told(folder: Path, name: str, aliases: list[str], lines: list[str] | None = None) -> EventLog:
    """A log after an ingest of visits and aliases."""
    path = folder / "log"
    events = [write_csv(folder / f"{name}.csv", lines)] if lines else []
    file = write_csv(folder / f"{name}-ids.csv", aliases, "cookie,contact,since")
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
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z"], None if apart else VISITS)
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


def test_the_same_again_adds_nothing_and_what_comes_later_goes_to_the_lead(tmp_path: Path) -> None:
    log = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z"], VISITS)
    again = told(tmp_path, "merge", ["a,b,2024-01-03T00:00:00Z"], VISITS)
    assert (again.digest, again.n_events) == (log.digest, log.n_events)
    into(log.path, write_csv(tmp_path / "more.csv", ["a,page_view,2024-01-08T00:00:00Z,,,,web,a8"]), buckets=8)
    assert seen(EventLog.open(log.path), "b", 9) == [1, 1, 5, 5, 8]


def test_a_chain_of_merges_ends_at_the_last_lead(tmp_path: Path) -> None:
    log = told(tmp_path, "first", ["a,b,2024-01-03T00:00:00Z"], VISITS)
    log = told(tmp_path, "second", ["b,c,2024-01-06T00:00:00Z"])
    assert [seen(log, "c", at) for at in (6, 7)] == [[1, 5], [1, 1, 1, 5, 5, 5]]
    assert seen(log, "b", 9) == []


def test_what_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "first.csv", VISITS), buckets=8)
    lines = [f"{pair},2024-01-0{at}T00:00:00Z" for at, pair in enumerate(("a,b", "b,a", "c,c", "a,c", "a,b"), start=1)]
    file = write_csv(tmp_path / "ids.csv", [*lines, "d,,2024-01-01T00:00:00Z"], "cookie,contact,since")
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
    log = told(tmp_path, "merge", ["alias-a,b,2024-01-03T00:00:00Z"], visits)
    for lead in ("b", "alias-a"):
        assert erase_from_log(log.path, lead) > 2
    log = EventLog.open(log.path)
    assert {row["lead_id"] for row in logged(log.path)} == {"c"}
    assert all(b"alias-a" not in path.read_bytes() for path in log.path.rglob("*") if path.is_file())


STATES = PLAIN.model_copy(
    update={
        "leads": LeadsPart(lead_id="lead", snapshot=True, created_at="since", categories=("industry", "stage"),
                           unchanging=("industry",), missing="deleted")
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


def test_an_export_of_another_account_is_stopped(tmp_path: Path) -> None:
    exported(tmp_path, 10, [f"x{n},2024-01-01T00:00:00Z,steel,new" for n in range(150)])
    digest = EventLog.open(tmp_path / "log").digest
    with pytest.raises(DataError, match=r"of 150 leads in the export the log knows 1, .* leads like"):
        exported(tmp_path, 12, [f"{'x' if n == 0 else 'y'}{n},2024-01-01T00:00:00Z,steel,new" for n in range(150)])
    assert EventLog.open(tmp_path / "log").digest == digest
