"""Rows that say that a lead is gone, in exports that bring only what has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import UsageError
from data.intake.ingest import ingest
from data.intake.next_part import Counts
from data.log.eventlog import EventLog
from data.sources.mapping import LeadsPart, read_mapping
from tests.data.exports import NOW, PLAIN, write_csv
from tests.data.test_versions import day

CHANGES = PLAIN.model_copy(
    update={"leads": (LeadsPart(lead_id="lead", valid_from="since", deleted="gone", categories=("stage",)),)}
)
HEADER = "lead,since,stage,gone"
FIRST = ["x,2024-01-01T00:00:00Z,new,", "y,2024-01-01T00:00:00Z,new,no"]


def told(folder: Path, *lines: str) -> Counts:
    file = write_csv(folder / "leads.csv", lines, HEADER)
    return ingest(folder / "log", CHANGES, [], [file], clock=lambda: NOW, buckets=2).leads


def spans(folder: Path, lead: str) -> list[tuple[int, int]]:
    absences = EventLog.open(folder / "log").find(lead).absences
    return [] if absences is None else list(zip(absences.from_at.tolist(), absences.until.tolist(), strict=True))


def test_a_lead_is_gone_from_then_on_until_a_later_version(tmp_path: Path) -> None:
    told(tmp_path, *FIRST)
    assert told(tmp_path, "x,2024-01-05T00:00:00Z,,true") == Counts(1, 1, 0, 0)
    assert (spans(tmp_path, "x"), spans(tmp_path, "y")) == ([(day(5), 2**62)], [])
    assert told(tmp_path, "x,2024-01-09T00:00:00Z,won,") == Counts(1, 1, 0, 0)
    assert spans(tmp_path, "x") == [(day(5), day(9))]
    profiles = EventLog.open(tmp_path / "log").find("x").profiles
    assert profiles.columns.column("stage").to_pylist() == ["new", "won"]


def test_what_is_known_adds_nothing(tmp_path: Path) -> None:
    told(tmp_path, *FIRST)
    gone = "x,2024-01-05T00:00:00Z,,true"
    told(tmp_path, gone)
    before = EventLog.open(tmp_path / "log").digest
    assert told(tmp_path, gone, gone, *FIRST) == Counts(4, 0, 4, 0)
    assert (EventLog.open(tmp_path / "log").digest, spans(tmp_path, "x")) == (before, [(day(5), 2**62)])


def test_in_one_export_it_is_the_same(tmp_path: Path) -> None:
    lines = ("x,2024-01-05T00:00:00Z,,true", "x,2024-01-09T00:00:00Z,won,", "y,2024-01-07T00:00:00Z,,true")
    assert told(tmp_path, *FIRST, *lines) == Counts(5, 5, 0, 0)
    assert (spans(tmp_path, "x"), spans(tmp_path, "y")) == ([(day(5), day(9))], [(day(7), 2**62)])


def test_a_word_that_is_neither_costs_its_row(tmp_path: Path) -> None:
    assert told(tmp_path, *FIRST, "z,2024-01-05T00:00:00Z,,perhaps") == Counts(3, 2, 0, 1)


def test_a_state_says_it_by_being_missing(tmp_path: Path) -> None:
    file = tmp_path / "states.toml"
    file.write_text('name = "s"\n[leads]\nlead_id = "id"\nsnapshot = true\ndeleted = "gone"\n')
    with pytest.raises(UsageError, match="deleted needs valid_from"):
        read_mapping(file)
