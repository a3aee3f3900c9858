"""Exports that may be a mistake: told with what is strange about them, or refused with the log as it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping as Ends
from pathlib import Path

import pytest

from data.contract import US_PER_DAY, DataError, UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.sources.mapping import LeadsPart, Mapping
from tests.data.exports import NOW, PLAIN, into, write_csv
from tests.data.test_versions import day

STATES = PLAIN.model_copy(update={"leads": (LeadsPart(lead_id="lead", snapshot=True, categories=("stage",)),)})


def visits(prefix: str, leads: int = 120) -> list[str]:
    return [f"{prefix}{n},page_view,2024-01-05T10:00:00Z,,web,,web,{prefix}{n}" for n in range(leads)]


def told(
    folder: Path, name: str, *lines: str, states: tuple[str, ...] = (), as_of: int | None = None,
    complete_until: Ends[str, int] | None = None, mapping: Mapping = STATES,
) -> IngestReport:  # fmt: skip
    events = [write_csv(folder / f"{name}.csv", lines)] if lines else []
    leads = [write_csv(folder / f"{name}-leads.csv", states, "lead,stage")] if states else []
    return ingest(folder / "log", mapping, events, leads, as_of=as_of, complete_until=complete_until,
                  clock=lambda: NOW, buckets=2)  # fmt: skip


def test_states_that_are_older_than_the_newest_are_told_and_hold_from_their_own_time_on(tmp_path: Path) -> None:
    assert told(tmp_path, "new", states=("a,won",), as_of=day(20)).doubts == ()
    (doubt,) = told(tmp_path, "old", states=("a,open",), as_of=day(10)).doubts
    assert doubt.startswith(
        "the states in this export are as of 2024-01-10, and the log has some as of 2024-01-20: they"
    )
    versions = EventLog.open(tmp_path / "log").find("a").profiles
    assert versions.valid_from.tolist() == [day(10), day(20)]
    assert versions.columns.column("stage").to_pylist() == ["open", "won"]
    assert told(tmp_path, "newest", states=("a,lost",), as_of=day(30)).doubts == ()


def test_events_of_leads_that_the_log_knows_nothing_of_are_doubted_with_ids_of_both(tmp_path: Path) -> None:
    assert told(tmp_path, "first", *visits("a")).doubts == ()
    (doubt,) = told(tmp_path, "other", *visits("b")).doubts
    assert doubt.startswith("of 120 leads with events in the export the log knows 0, and it knows 120 others. They are")
    assert "like b0, b1, b10, those of the log like a" in doubt
    compact(tmp_path / "log")
    assert told(tmp_path, "again", *visits("b"), *visits("c", 20)).doubts == (), "most are known by now"


def test_a_source_is_not_complete_until_a_time_that_has_not_come(tmp_path: Path) -> None:
    told(tmp_path, "first", *visits("a", 3))
    digest = EventLog.open(tmp_path / "log").digest
    with pytest.raises(UsageError, match="source 'web' cannot be complete until 2025-01-03, which lies in the future"):
        told(tmp_path, "more", *visits("b", 3), complete_until={"web": int(NOW * 1e6) + 2 * US_PER_DAY})
    assert EventLog.open(tmp_path / "log").digest == digest


def test_a_source_that_is_complete_and_has_told_of_nothing_is_named_beside_those_that_have(tmp_path: Path) -> None:
    (doubt,) = told(tmp_path, "first", *visits("a", 3), complete_until={"wbe": day(20)}).doubts
    assert doubt.startswith(
        "source 'wbe' has told of no event yet, so that it makes nothing complete; the log knows 'web'"
    )


def test_a_log_of_which_a_part_is_missing_is_refused_by_its_name_and_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        told(tmp_path, name, *visits(name, 3))
    log = tmp_path / "log"
    shutil.rmtree(EventLog.open(log).folders[-1])
    before = (log / "log.json").read_bytes()
    for command in (lambda: EventLog.open(log), lambda: compact(log), lambda: told(tmp_path, "d", *visits("d", 3))):
        with pytest.raises(DataError, match=r"log\.json names [a-z]+-\d+, which is not there: .*restore all of it"):
            command()
    assert (log / "log.json").read_bytes() == before


def test_a_correction_may_arrive_before_what_it_corrects(tmp_path: Path) -> None:
    """Both are dated; each holds in its time, whichever comes first."""
    row = "a,page_view,2024-01-02T00:00:00Z,2024-01-0{}T00:00:00Z,web,{},crm,1"
    for folder, order in (("right", (3, 6)), ("wrong", (6, 3))):
        (tmp_path / folder).mkdir()
        for at in order:
            into(tmp_path / folder / "log", write_csv(tmp_path / folder / f"{at}.csv", [row.format(at, at)]))
    right, wrong = (EventLog.open(tmp_path / folder / "log") for folder in ("right", "wrong"))
    assert right.digest == wrong.digest
    history = wrong.find("a")
    assert (history.known_at.tolist(), history.value.tolist()) == ([day(3), day(6)], [3.0, 6.0])
    assert history.superseded_at is not None
    assert history.superseded_at[0] == day(6)
