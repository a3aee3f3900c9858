"""Reports have a title above their header, and write times as people do: what to say in the mapping is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import given

from data.contract import DataError
from data.likely_time_formats import FORMATS, likely_formats
from data.quoting import quoted
from data.sources.mapping import Mapping
from data.sources.time_columns import known_format
from tests.data.test_shapes import AT, PLAIN, US, events, seen, table_in, take, write

TITLE = [["Leads of this week", "", ""], ["As of 2024-01-03", "", ""], ["", "", ""]]
ROWS = [["id", "type", "when"], ["1", "call", AT], ["2", "call", AT]]


def report(path: Path) -> Path:
    """An export with a title, in the form that its name tells."""
    if path.suffix == ".xlsx":
        table_in(path, [*TITLE, *ROWS])
        return path
    sign = ";" if path.stem == "german" else ","
    return write(path, "\r\n".join(sign.join(row) for row in [*TITLE, *ROWS]))


@pytest.mark.parametrize("name", ["report.csv", "german.csv", "report.xlsx"])
def test_below_a_title_rows_are_those_of_a_plain_export(tmp_path: Path, name: str) -> None:
    path, optional = report(tmp_path / name), {"optional": ["amount"], "value": "amount"}
    with pytest.raises(DataError, match="the columns are named in line 4, below a title; add skip = 3 to the mapping"):
        take(tmp_path, events(PLAIN | optional), path)
    with pytest.raises(DataError, match="line 4, below a title; add skip = 3"):
        take(tmp_path, events(PLAIN | {"lead_id": "Lead"}, also_called={"Lead": ["id"]}, skip=1), path)
    taken = take(tmp_path, events(PLAIN | optional, skip=3), path)
    assert (taken.events.received, taken.events.accepted) == (2, 2)
    assert seen(tmp_path, "lead_id", "occurred_at") == {("1", US), ("2", US)}


def test_the_title_of_one_of_several_files_is_passed_over_in_queries_too(tmp_path: Path) -> None:
    asking = PLAIN | {"query": "SELECT * FROM calls"}
    mapping = Mapping(name="named", files={"calls": {"skip": 3}}, events=asking)
    take(tmp_path, mapping, files={"calls": [str(report(tmp_path / "report.csv"))]})
    assert seen(tmp_path, "lead_id", "occurred_at") == {("1", US), ("2", US)}


def test_a_title_without_a_header_below_it_is_no_title(tmp_path: Path) -> None:
    path = write(tmp_path / "e.csv", "Leads\n\nnumber,type,when\n1,call,2024-01-01\n")
    with pytest.raises(DataError, match="has no column 'id'; it has Leads: correct the mapping"):
        take(tmp_path, events(PLAIN), path)
    with pytest.raises(DataError, match="has no column 'id'"):
        take(tmp_path, events(PLAIN, skip=99), path)


@pytest.mark.parametrize("query", [None, 'SELECT id, type, "when" FROM calls'], ids=["columns", "query"])
def test_columns_without_a_name_are_passed_over(tmp_path: Path, query: str | None) -> None:
    """A spreadsheet that was saved as CSV has them wherever a cell was once touched."""
    path = write(tmp_path / "e.csv", f"id,type,,when,,\n1,call,x,{AT},,\n2,call,,{AT},,\n")
    asking = events(PLAIN | {"query": query, "file": "calls"})
    take(tmp_path, asking, files={"calls": [str(path)]})
    assert seen(tmp_path, "lead_id", "occurred_at") == {("1", US), ("2", US)}


@pytest.mark.parametrize(
    ("times", "remedy"),
    [
        (["03.01.2024 10:00", "4.1.2024 9:30"], r'time_format = "%d\.%m\.%Y %H:%M"$'),
        (["1/3/2024 2:03 PM"], r'time_format = "%d/%m/%Y %I:%M %p" or "%m/%d/%Y %I:%M %p"$'),
        (["1/3/2024 2:03 PM", "1/31/2024 2:03 PM"], r'time_format = "%m/%d/%Y %I:%M %p"$'),
        (["20240103T100000Z"], r'time_format = "%Y%m%dT%H%M%SZ"$'),
        (["Wed, 03 Jan 2024 10:00:00 GMT"], r'time_format = "%a, %d %b %Y %H:%M:%S GMT"$'),
        (["03.01.2024 10:00 +0100"], r'time_format = "%d\.%m\.%Y %H:%M %z"$'),
        (["1704189600000", "1.7041896e12"], 'what is counted, time_format = "epoch_s", "epoch_ms" or "epoch_us"'),
        (["45000.5"], "or export dates"),
        (["soon"], "no row fits, correct the mapping"),
        (["03.01.2024", "soon"], "no row fits, correct the mapping"),
    ],
)
def test_where_no_time_is_read_it_is_told_how_they_are_written(tmp_path: Path, times: list[str], remedy: str) -> None:
    path = write(tmp_path / "e.csv", "\n".join(["id,type,when", *(f'1,call,"{time}"' for time in times)]))
    with pytest.raises(DataError, match=remedy):
        take(tmp_path, events(PLAIN), path)


@given(st.datetimes(datetime(1990, 1, 2), datetime(2050, 1, 1)), st.sampled_from(FORMATS))
def test_what_is_told_is_read_as_it_was_written(at: datetime, form: str) -> None:
    text = at.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)) if "%z" in form else None).strftime(form)
    assert form in likely_formats([text])
    assert known_format(form)
    read = duckdb.sql(f"SELECT strptime({quoted(text)}, {quoted(form)})").fetchall()
    assert read == [(datetime.strptime(text, form),)]


@pytest.mark.parametrize("written", ["20240103T100000Z", "Wed, 03 Jan 2024 10:00:00 GMT", "03.01.2024 15:30 +0530"])
def test_a_zone_that_the_format_holds_counts_whatever_the_mapping_says(tmp_path: Path, written: str) -> None:
    (form,) = likely_formats([written])
    path = write(tmp_path / "e.csv", f'id,type,when\n1,call,"{written}"\n')
    take(tmp_path, events(PLAIN | {"time_format": form, "time_zone": "Europe/Berlin"}), path)
    at = datetime(2024, 1, 3, 10, tzinfo=UTC)
    assert seen(tmp_path, "lead_id", "occurred_at") == {("1", round(at.timestamp()) * 1_000_000)}


def test_days_and_months_are_told_without_leading_zeros() -> None:
    read = duckdb.sql("SELECT strptime('1/3/2024 2:03 PM', '%m/%d/%Y %I:%M %p')").fetchall()
    assert read == [(datetime(2024, 1, 3, 14, 3),)]
