"""Dates without a time of day: known at the end of their day, whatever kind of source tells them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import AHEAD, UsageError
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import EventsPart, LeadsPart, Mapping, read_mapping
from features.kernel import compute
from features.moments import open_moments
from tests.data.exports import NOW, into, logged, rejected
from tests.postgres import Postgres

NAMES = ("lead", "type", "at", "received")
BERLIN = "Europe/Berlin"
ROWS = [
    ("a", "visit", date(2024, 3, 31), None),
    ("b", "visit", date(2024, 10, 27), date(2024, 10, 28)),
    ("c", "visit", date(2024, 2, 29), date(2024, 2, 28)),
]
"""On days of 23, 25 and 24 hours; the last one is said to have been received before it happened."""


def us(*clock: int) -> int:
    return (datetime(*clock, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)  # type: ignore[misc, arg-type]


ENDS = {
    "a": (us(2024, 3, 31, 22) - 1, us(2024, 3, 31, 22) - 1),
    "b": (us(2024, 10, 27, 23) - 1, us(2024, 10, 28, 23) - 1),
    "c": (us(2024, 2, 29, 23) - 1, us(2024, 2, 29, 23) - 1),
}
"""occurred_at and known_at of each lead's event."""
STARTS = {
    "a": (us(2024, 3, 30, 23), us(2024, 3, 30, 23)),
    "b": (us(2024, 10, 26, 22), us(2024, 10, 27, 23)),
    "c": (us(2024, 2, 28, 23), us(2024, 2, 28, 23)),
}


def mapping(**keys: Any) -> Mapping:
    part = {
        "lead_id": "lead",
        "event_type": "type",
        "occurred_at": "at",
        "received_at": "received",
        "time_zone": BERLIN,
    }
    return Mapping(name="dated", event_types=("visit",), events=EventsPart(**part | keys))


def times(log: Path) -> dict[str, tuple[int, int]]:
    return {row["lead_id"]: (row["occurred_at"], row["known_at"]) for row in logged(log)}


def csv_file(folder: Path, form: str = "%Y-%m-%d") -> str:
    rows = [[cell.strftime(form) if isinstance(cell, date) else cell or "" for cell in row] for row in ROWS]
    path = folder / "dated.csv"
    path.write_text("".join(",".join(row) + "\n" for row in (NAMES, *rows)), encoding="utf-8")
    return str(path)


def json_file(folder: Path) -> str:
    path = folder / "dated.jsonl"
    rows = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parquet_file(folder: Path) -> str:
    path = folder / "dated.parquet"
    day = pa.date32()
    schema = pa.schema([("lead", pa.string()), ("type", pa.string()), ("at", day), ("received", day)])
    pq.write_table(pa.Table.from_pylist([dict(zip(NAMES, row, strict=True)) for row in ROWS], schema), path)
    return str(path)


@pytest.mark.parametrize(("dates_are", "expected"), [("end", ENDS), ("start", STARTS)])
@pytest.mark.parametrize("written", [csv_file, json_file, parquet_file])
def test_files(tmp_path: Path, written: Any, dates_are: str, expected: dict[str, tuple[int, int]]) -> None:
    into(tmp_path / "log", written(tmp_path), mapping=mapping(dates_are=dates_are))
    assert times(tmp_path / "log") == expected


@pytest.mark.parametrize(("dates_are", "expected"), [("end", ENDS), ("start", STARTS)])
def test_a_time_format_without_hours(tmp_path: Path, dates_are: str, expected: dict[str, tuple[int, int]]) -> None:
    form = "%d.%m.%Y"
    into(tmp_path / "log", csv_file(tmp_path, form), mapping=mapping(time_format=form, dates_are=dates_are))
    assert times(tmp_path / "log") == expected


def test_a_database(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.database("dated")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE dated (lead text, type text, at date, received date)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO dated VALUES (%s, %s, %s, %s)", ROWS)
    into(tmp_path / "log", url, mapping=mapping(query="SELECT * FROM dated"))
    assert times(tmp_path / "log") == ENDS


def test_midnight_in_a_column_of_times_is_a_time(tmp_path: Path) -> None:
    """It is the type, or what is written, that says whether there is a time of day."""
    at = pa.array([datetime(2024, 3, 31)], pa.timestamp("us"))
    pq.write_table(pa.table({"lead": ["a"], "type": ["visit"], "at": at, "received": [None]}), tmp_path / "a.parquet")
    into(tmp_path / "log", str(tmp_path / "a.parquet"), mapping=mapping())
    assert times(tmp_path / "log") == {"a": STARTS["a"]}


def test_another_word_than_start_and_end_is_refused(tmp_path: Path) -> None:
    text = 'name = "x"\nevent_types = ["v"]\n[events]\nlead_id = "l"\nevent_type = "t"\noccurred_at = "a"\n'
    path = tmp_path / "m.toml"
    path.write_text(text + 'dates_are = "noon"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"dates_are.*'start' or 'end'"):
        read_mapping(path)


def test_a_date_of_today_is_taken_in_and_known_when_the_day_is_over(tmp_path: Path) -> None:
    """The clock of the tests is midnight of 2025-01-01 UTC, 01:00 in Berlin."""
    path = tmp_path / "today.csv"
    path.write_text("lead,type,at,received\na,visit,2025-01-01,\na,visit,2024-12-31,\nb,visit,2025-01-02,\n")
    report = into(tmp_path / "log", str(path), mapping=mapping())
    assert rejected(report) == [("today.csv", 3, "occurred_at '2025-01-02' lies in the future")]
    log, now = EventLog.open(tmp_path / "log"), int(NOW) * 1_000_000
    assert sorted(log.find("a").known_at.tolist()) == [us(2024, 12, 31, 23) - 1, us(2025, 1, 1, 23) - 1]
    assert log.observed_until_us == now + AHEAD
    assert _counted(log, log.observed_until_us + 1) == 1
    assert _counted(log, us(2025, 1, 1, 23)) == 2
    erase_from_log(tmp_path / "log", "nobody")
    assert EventLog.open(tmp_path / "log").observed_until_us == now + AHEAD


def _counted(log: EventLog, as_of: int) -> float:
    from features.compiler import compile_plan
    from features.kinds import Count
    from features.labels import Target

    histories = log.find("a")
    moments = open_moments(histories, Target("t", ("deal_won",)), as_of)
    plan = compile_plan([Count("any", None)], log.vocabulary)
    return float(compute(plan, histories, moments).column(0)[0].as_py())


def test_a_profile_holds_from_the_end_of_its_day(tmp_path: Path) -> None:
    """So a lead that is told by a date alone is created at its end, and is known before by what it does that day."""
    (tmp_path / "leads.csv").write_text("lead,since,size\na,2024-03-31,1\na,2024-04-02,2\n")
    (tmp_path / "events.csv").write_text("lead,type,at,received\na,visit,2024-03-31T10:00,\n")
    leads = LeadsPart(lead_id="lead", valid_from="since", time_zone=BERLIN, numbers=("size",))
    dated = mapping().model_copy(update={"leads": (leads,)})
    into(tmp_path / "log", str(tmp_path / "events.csv"), leads=[str(tmp_path / "leads.csv")], mapping=dated)
    history = EventLog.open(tmp_path / "log").find("a")
    assert history.profiles.valid_from.tolist() == [us(2024, 3, 31, 22) - 1, us(2024, 4, 2, 22) - 1]
    assert history.known_at.tolist() == [us(2024, 3, 31, 8)]


def test_a_lead_that_is_exported_on_the_day_it_was_created_keeps_its_state(tmp_path: Path) -> None:
    """Its creation is not put behind the state, which would then be unknown again from the end of the day on."""
    (tmp_path / "leads.csv").write_text("lead,since,size,land\na,2025-01-01,5,DE\nb,2024-12-30,6,AT\n")
    (tmp_path / "events.csv").write_text("lead,type,at,received\na,visit,2024-12-31T10:00,\n")
    keys = {"lead_id": "lead", "snapshot": True, "created_at": "since", "time_zone": BERLIN}
    leads = LeadsPart(**keys, numbers=("size",), categories=("land",), unchanging=("land",))
    dated = mapping().model_copy(update={"leads": (leads,)})
    for _ in range(2):
        into(tmp_path / "log", str(tmp_path / "events.csv"), leads=[str(tmp_path / "leads.csv")], mapping=dated)
        log, now = EventLog.open(tmp_path / "log"), int(NOW) * 1_000_000
        today, before = log.find("a").profiles, log.find("b").profiles
        assert today.valid_from.tolist() == [now]
        assert today.columns.to_pylist() == [{"land": "DE", "size": 5.0}]
        assert before.valid_from.tolist() == [us(2024, 12, 30, 23) - 1, now]
        assert before.columns.to_pylist() == [{"land": "AT", "size": None}, {"land": "AT", "size": 6.0}]


FORMS = [
    ("2025-01-02T10:00:00.000+0000", us(2025, 1, 2, 10)),
    ("2025-01-02 10:00:00 UTC", us(2025, 1, 2, 10)),
    ("2025-01-02 10:00", us(2025, 1, 2, 9)),
    ("2025-01-02", us(2025, 1, 2, 23) - 1),
    ('"Jan 2, 2025 10:00 AM"', None),
    ("1/2/2025 10:00", None),
    ("2025-01-02 10:00 AM EST", None),
    ("2025-01-02 10:00 EST", None),
    ("45659.5", None),
    ("1735812000000", None),
    ("20250102", None),
    ("02.01.2025", None),
    ("2025-1-2", None),
    ("2025-02-30", None),
]
"""As exports write the same day, with what each means in Berlin; None where the mapping has to say more."""


def test_every_form_is_read_or_refused_by_name(tmp_path: Path) -> None:
    lines = [f"{row},visit,{text}," for row, (text, _) in enumerate(FORMS, 1)]
    (tmp_path / "forms.csv").write_text("\n".join(["lead,type,at,received", *lines]) + "\n", encoding="utf-8")
    from data.intake.ingest import ingest

    report = ingest(tmp_path / "log", mapping(), [str(tmp_path / "forms.csv")], clock=lambda: 1.8e9, buckets=2)
    read = {int(lead): at for lead, (at, _) in times(tmp_path / "log").items()}
    assert read == {row: at for row, (_, at) in enumerate(FORMS, 1) if at is not None}
    refused = {row: reason for _, row, reason in rejected(report)}
    assert sorted(read | refused) == list(range(1, len(FORMS) + 1))
    assert all(reason.endswith("is no time in ISO 8601") for reason in refused.values())
    assert refused[7] == "occurred_at '2025-01-02 10:00 AM EST' is no time in ISO 8601"
