"""Deals of one lead told apart by an id: kept as a hash, part of what an event says, and absent where none is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.content import lead_hash
from data.log.eventlog import EventLog
from features.labels import Target
from features.outcomes import occurrences_of
from tests.data.exports import HEADER, NOW, PLAIN, into, rejected, write_csv
from tests.data.test_versions import day

NAMED = PLAIN.model_copy(
    update={
        "events": (PLAIN.events[0].model_copy(update={"deal_id": "deal"}),),
        "event_types": ("won", "cancelled", "visit"),
    }
)
TARGET = Target("won", ("won",), undone_by=("cancelled",), repeats=True)


def told(folder: Path, at: int, *lines: str) -> EventLog:
    """The log after an export at a day of January; a line is a type, a day, an event_id, a value and a deal."""
    rows = [f"l,{kind},2024-01-0{on}T00:00:00Z,,,{value},crm,{number},{deal}"
            for kind, on, number, value, deal in (line.split() for line in lines)]  # fmt: skip
    file = write_csv(folder / f"{at}.csv", [row.replace("-,", ",").removesuffix("-") for row in rows], f"{HEADER},deal")
    ingest(folder / "log", NAMED, [file], as_of=day(at), clock=lambda: NOW, buckets=1)
    return EventLog.open(folder / "log")


def wins(log: EventLog, at: int) -> list[int]:
    """Days of January on which the target happened, as is known at one."""
    times = occurrences_of(log.find("l"), TARGET, day(at)).times
    return [int(time - day(1)) // 86_400_000_000 + 1 for time in times]


@pytest.mark.parametrize("is_woven", [False, True])
def test_a_deal_that_is_cancelled_is_the_one_that_is_named(tmp_path: Path, is_woven: bool) -> None:
    """After events of which none named a deal; and it may be corrected which deal it was."""
    visits = [f"m{n},visit,2024-01-01T00:00:00Z,,,,web,{n}" for n in range(99)]
    into(tmp_path / "log", write_csv(tmp_path / "old.csv", visits), buckets=1)
    log = told(tmp_path, 9, "won 2 1 5 first", "won 4 2 5 second", "cancelled 6 3 - first")
    assert wins(log, 9) == [4]
    log = told(tmp_path, 11, "cancelled 6 3 - second")
    if is_woven:
        compact(log.path)
        log = EventLog.open(log.path)
    assert [wins(log, at) for at in (10, 11, 12)] == [[4], [4], [2]]
    history = log.find("l")
    assert history.deal is not None
    assert set(history.deal.tolist()) == {int(lead_hash(name)) for name in ("first", "second")}
    visitor = log.find("m1").deal
    assert visitor is None or not visitor.any()


def test_the_amount_of_one_deal_is_amended_and_not_that_of_another(tmp_path: Path) -> None:
    told(tmp_path, 9, "won 2 1 5 first", "won 4 2 5 second")
    log = told(tmp_path, 11, "won 2 1 7 first")
    history = log.find("l")
    assert history.superseded_at is not None
    valid = (history.known_at < day(12)) & ~(history.superseded_at < day(12))
    assert sorted(history.value[valid].tolist()) == [5, 7]
    again = told(tmp_path, 12, "won 2 1 7 first", "won 4 2 5 second")
    assert again.digest == log.digest


def test_without_names_there_is_no_column_and_the_same_log(tmp_path: Path) -> None:
    lines = ["l,won,2024-01-02T00:00:00Z,,,5,crm,1", "l,visit,2024-01-03T00:00:00Z,,,,,"]
    into(tmp_path / "plain", write_csv(tmp_path / "plain.csv", lines), mapping=PLAIN, buckets=1)
    named = write_csv(tmp_path / "named.csv", [f"{line}," for line in lines], f"{HEADER},deal")
    ingest(tmp_path / "log", NAMED, [named], clock=lambda: NOW, buckets=1)
    plain, log = EventLog.open(tmp_path / "plain"), EventLog.open(tmp_path / "log")
    assert (plain.manifest.events, log.find("l").deal) == (log.manifest.events, None)


def test_an_id_of_a_deal_that_is_none_is_refused(tmp_path: Path) -> None:
    line = f"l,won,2024-01-02T00:00:00Z,,,5,crm,1,{'x' * 201}"
    file = write_csv(tmp_path / "odd.csv", [line, line.replace("x" * 201, "y")], f"{HEADER},deal")
    report = ingest(tmp_path / "log", NAMED, [file], clock=lambda: NOW, buckets=1)
    assert rejected(report) == [("odd.csv", 1, "deal_id has 201 characters, 200 are allowed")]
    deal = EventLog.open(tmp_path / "log").find("l").deal
    assert deal is not None
    assert deal.tolist() == [int(np.uint64(lead_hash("y")))]
