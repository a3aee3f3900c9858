"""Wide tables as states: a time that has become empty takes its event back, from that export on."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from data.contract import US_PER_DAY
from data.histories import FAR
from data.intake.check import check_sources
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, Mapping
from data.sources.tables import FromColumn
from tests.data.exports import NOW, write_csv
from tests.data.test_versions import day

HEADER = "contact,deal,opened,won,lost"
DATES = (FromColumn(column="opened", event_type="deal_created"), FromColumn(column="won", event_type="deal_won"),
         FromColumn(column="lost", event_type="deal_lost"))  # fmt: skip
STATES = EventsPart(lead_id="contact", event_id="deal", deal_id="deal", shared=True, time_zone="UTC",
                    from_columns=DATES, emptied="retracted", constants={"source": "crm"})  # fmt: skip
OPEN, WON = "a,d1,2024-01-02T00:00:00Z,,", "a,d1,2024-01-02T00:00:00Z,2024-01-05T00:00:00Z,"
LOST = "a,d1,2024-01-02T00:00:00Z,,2024-01-09T00:00:00Z"


def exported(folder: Path, at: int, *lines: str, table: EventsPart = STATES, as_of: int | None = None) -> IngestReport:
    """What became of an export of deals, made at a day of January."""
    file = write_csv(folder / f"deals-{at}.csv", [*lines], HEADER)
    mapping = Mapping(name="crm", event_types=("deal_created", "deal_won", "deal_lost"), events=(table,))
    when = as_of if as_of is not None else day(at)
    return ingest(folder / "log", mapping, [file], as_of=when or None, clock=lambda: NOW, buckets=2)


def told_of(folder: Path, lead: str = "a") -> list[tuple[str, int, int]]:
    """Type of each event, from which day on it is known, and until which, 0 for ever."""
    log = EventLog.open(folder / "log")
    history, types = log.find(lead), log.vocabulary.types
    ends = history.superseded_at if history.superseded_at is not None else [FAR] * history.n_events
    rows = zip(history.event_type.tolist(), history.known_at.tolist(), ends, strict=True)
    return sorted((types[kind], _day(known), 0 if end == FAR else _day(end)) for kind, known, end in rows)


def _day(at: int) -> int:
    return round((at - day(1)) / US_PER_DAY) + 1


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_deal_that_is_opened_again_is_not_won_any_more_from_that_export_on(tmp_path: Path, is_shared: bool) -> None:
    table = STATES.model_copy(update={"shared": is_shared})
    exported(tmp_path, 3, OPEN, table=table)
    exported(tmp_path, 6, WON, table=table)
    report = exported(tmp_path, 8, OPEN, table=table)
    created, won = ("deal_created", 2, 0), ("deal_won", 5, 8)
    assert told_of(tmp_path) == [created, won]
    assert (report.events.received, report.events.accepted, report.events.duplicate, report.taken_back) == (1, 0, 1, 1)
    assert report.doubts[-1].startswith("1 events have no time in their row any more")
    assert exported(tmp_path, 9, LOST, table=table).taken_back == 0
    assert exported(tmp_path, 10, LOST, table=table).taken_back == 0
    assert told_of(tmp_path) == [created, ("deal_lost", 9, 0), won]
    compact(tmp_path / "log")
    assert told_of(tmp_path) == [created, ("deal_lost", 9, 0), won]


def test_a_deal_that_is_won_again_is_won_from_then_on(tmp_path: Path) -> None:
    for at, line in ((6, WON), (8, OPEN), (12, WON), (14, OPEN)):
        exported(tmp_path, at, line)
    assert told_of(tmp_path) == [("deal_created", 2, 0), ("deal_won", 5, 8), ("deal_won", 12, 14)]


def test_rows_that_are_not_there_and_other_deals_stay_as_they_were(tmp_path: Path) -> None:
    other = "b,d2,2024-01-02T00:00:00Z,2024-01-04T00:00:00Z,"
    exported(tmp_path, 6, WON, other)
    exported(tmp_path, 8, OPEN)
    assert told_of(tmp_path, "b") == [("deal_created", 2, 0), ("deal_won", 4, 0)]


def test_an_export_without_a_time_or_older_than_another_takes_nothing_back_and_says_so(tmp_path: Path) -> None:
    exported(tmp_path, 6, WON)
    older = exported(tmp_path, 4, OPEN)
    assert (older.taken_back, older.doubts[-1][:26]) == (0, "the export is older than a")
    mapping = Mapping(name="crm", event_types=("deal_created", "deal_won", "deal_lost"), events=(STATES,))
    checked = check_sources(tmp_path / "log", mapping, [str(tmp_path / "deals-4.csv")], as_of=day(4), clock=lambda: NOW)
    assert checked.examination.doubts[-1] == older.doubts[-1]
    undated = exported(tmp_path, 3, OPEN, as_of=0)
    assert undated.taken_back == 0
    assert undated.doubts[-1].endswith("say with --as-of when the export was made")
    assert told_of(tmp_path) == [("deal_created", 2, 0), ("deal_won", 5, 0)]


def test_a_row_that_cannot_be_read_takes_nothing_back(tmp_path: Path) -> None:
    exported(tmp_path, 6, WON)
    assert exported(tmp_path, 8, "a,d1,2024-01-02T00:00:00Z,soon,", "x").taken_back == 0
    assert ("deal_won", 5, 0) in told_of(tmp_path)


def test_without_the_declaration_nothing_is_taken_back(tmp_path: Path) -> None:
    table = STATES.model_copy(update={"emptied": "kept"})
    exported(tmp_path, 6, WON, table=table)
    assert exported(tmp_path, 8, OPEN, table=table).taken_back == 0
    assert told_of(tmp_path) == [("deal_created", 2, 0), ("deal_won", 5, 0)]


def test_it_belongs_to_columns_of_times() -> None:
    with pytest.raises(ValidationError, match="emptied belongs to from_columns"):
        EventsPart(lead_id="a", event_type="b", occurred_at="c", emptied="retracted")
