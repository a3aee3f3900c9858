"""A written time: what the rule says, and that the SQL of an ingest says the same of any text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.contract import BLANKS
from data.sources import time_columns
from data.sources.checks import filled
from data.sources.time_columns import TimeColumn
from data.times import DatesAre, NoTime, time_from_text
from tests.written_times import TEXTS

FAR = 2**62
"""A clock beyond the end of time: nothing lies in the future."""
ZONES = [None, "UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def said(text: str, zone: str | None, dates_are: DatesAre = "end") -> int | None:
    """µs UTC by the function, None where it refuses."""
    home = None if zone is None else ZoneInfo(zone)
    try:
        return time_from_text(text, home, home, dates_are)
    except NoTime:
        return None


def said_in_sql(
    con: duckdb.DuckDBPyConnection, texts: Sequence[str], zone: str | None, dates_are: DatesAre
) -> list[int | None]:
    """The same by the SQL of an ingest."""
    times = TimeColumn(zone, None, dates_are, earliest=-(2**62))
    con.register("sent", pa.table({"i": range(len(texts)), "sent": pa.array(texts, pa.string())}))
    rows = con.execute(
        f"""SELECT us, {times.check("at", "t", "us", FAR, required=True)} AS reason FROM
        (SELECT i, t, {times.sql("t")} AS us FROM (SELECT i, {filled("sent", ("",))} AS t FROM sent)) ORDER BY i"""
    ).fetchall()
    return [us if reason is None else None for us, reason in rows]


def disagreements(
    con: duckdb.DuckDBPyConnection, texts: Sequence[str], zone: str | None, dates_are: DatesAre = "end"
) -> list[str]:
    """Texts that mean one thing to the function and another to the SQL."""
    sql = said_in_sql(con, texts, zone, dates_are)
    return [text for text, us in zip(texts, sql, strict=True) if us != said(text, zone, dates_are)]


def mutated(text: str, place: int, put: str) -> str:
    return text[: place % (len(text) + 1)] + put + text[place % (len(text) + 1) + 1 :]


ENDS: tuple[DatesAre, ...] = ("end", "start")
AWARE = st.datetimes(timezones=OFFSETS)
DATES = AWARE.map(lambda at: at.isoformat()) | st.datetimes().map(lambda at: at.isoformat(" "))
DATES |= st.dates().map(lambda day: day.isoformat())
PARTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", " ", "\t", "\xa0", "\u3000", "\u2028", "\0"]),
        st.sampled_from(["2024", "0000", "0001", "1900", "9999", "10000", "+2024", "-0001", "٢٠٢٤", "24"]),
        st.sampled_from(["-02-30", "-02-29", "-01-01", "-12-31", "-1-1", "0101", "-W01-1", "-001", "/01/01", "-13-01"]),
        st.sampled_from(["T", "t", " ", "", "_", "  "]),
        st.sampled_from(["00:00", "23:59:59", "24:00", "24:00:00", "12:60", "12:00:60", "1:00", "12", "1200", ""]),
        st.text("0123456789", min_size=1, max_size=9).map(".".__add__) | st.sampled_from(["", ".", ",5", ".٥"]),
        st.sampled_from(["", "Z", "z", " z", "  Z", "UTC", " utc", " Gmt", " CET", "+00", "-0000", "−01:00"])
        | st.builds("{}{:02}{}{:02}".format, st.sampled_from("+-"), st.integers(0, 25), st.sampled_from(["", ":"]),
                    st.integers(0, 61)),
        st.sampled_from(["", " ", "\n", "\xa0", "\0", "Z"]),
    ),
)  # fmt: skip
WRITTEN = DATES | PARTS | st.builds(mutated, DATES | PARTS, st.integers(0, 40), st.text(max_size=2)) | st.text()
STORABLE = WRITTEN.filter(lambda text: not any("\ud800" <= sign <= "\udfff" for sign in text))


@settings(max_examples=100, deadline=None)
@given(st.lists(STORABLE, min_size=1, max_size=50), st.sampled_from(ZONES), st.sampled_from(ENDS))
@example([text for text, _ in TEXTS], None, "end")
@example([text for text, _ in TEXTS], "UTC", "end")
@example(["2024-03-30", "2024-03-31", "2024-10-27", "9999-12-31", "0001-01-01"], "UTC", "start")
def test_the_sql_of_an_ingest_is_the_function(
    con: duckdb.DuckDBPyConnection, texts: list[str], zone: str | None, dates_are: DatesAre
) -> None:
    # Before 1900 zones had odd local times that the two tables of zones keep differently.
    recent = [text for text in texts if zone in (None, "UTC") or "1900" <= text.strip()[:4] < "2100"]
    assert disagreements(con, recent, zone, dates_are) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("AWARE", r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d+)?)? ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"),
        ("AWARE", time_columns.AWARE.replace("[.][0-9]+", "[.][0-9]{1,6}")),
        ("AWARE", time_columns.AWARE.replace("|GMT", "")),
        ("LAST", 2**62),
        ("FIRST", -(2**62)),
    ],
)
def test_sql_that_says_something_else_is_caught(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, name: str, fault: object
) -> None:
    """The planted faults."""
    texts = [text for text, _ in TEXTS]
    assert disagreements(con, texts, None) == []
    monkeypatch.setattr(time_columns, name, fault)
    assert disagreements(con, texts, None)


def test_sql_that_takes_the_other_end_of_a_day_is_caught(con: duckdb.DuckDBPyConnection) -> None:
    days = ["2024-03-31", "2024-10-27T12:00"]
    assert said_in_sql(con, days, "Europe/Berlin", "end")[0] != said(days[0], "Europe/Berlin", "start")
    assert disagreements(con, days, "Europe/Berlin", "end") == []


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)), st.sampled_from(ZONES[1:]))
def test_a_day_ends_a_microsecond_before_the_next_begins(day: date, zone: str) -> None:
    end, begin = said(str(day), zone, "end"), said(str(day + timedelta(days=1)), zone, "start")
    assert end is not None
    assert begin == end + 1


@given(AWARE)
def test_times_with_a_zone_are_those_of_the_standard_library(at: datetime) -> None:
    expected = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    inside = datetime.min.replace(tzinfo=UTC) <= at <= datetime.max.replace(tzinfo=UTC)
    assert said(at.isoformat(), None) == (expected if inside else None)
    assert said(at.replace(tzinfo=None).isoformat(), None) is None


@given(WRITTEN)
def test_a_refusal_says_why_in_one_short_line(text: str) -> None:
    try:
        assert isinstance(time_from_text(text), int)
    except NoTime as refused:
        assert len(str(refused)) < 100  # noqa: PT017 -- most of what is drawn is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2024-05-01T12:00:00", "has no time zone; add one"),
        ("2024-05-01", "has no time of day; write 2024-05-01T12:00:00Z"),
        ("2024-02-30T12:00Z", "there is no such day"),
        ("1761991200000", "is a number without a unit"),
        ("9999-12-31T23:59:59-00:01", "outside the years 1 to 9999"),
        ("soon", "is no time; write one like 2024"),
        ("", "is no time; write one like 2024"),
    ],
)
def test_a_refusal_names_the_remedy(text: str, reason: str) -> None:
    with pytest.raises(NoTime, match=reason):
        time_from_text(text)


def test_a_date_alone_is_a_time_only_where_one_says_of_which_zone() -> None:
    assert time_from_text("1970-01-02", day_zone=UTC) == 86_400_000_000
    assert time_from_text("1970-01-02", day_zone=timezone(timedelta(hours=1))) == 82_800_000_000
    with pytest.raises(NoTime, match="has no time zone"):
        time_from_text("1970-01-02T00:00", day_zone=UTC)
    with pytest.raises(NoTime, match="has no time of day"):
        time_from_text("1970-01-02", zone=UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),  # skipped
        ("2024-10-27 02:30:00", "2024-10-27T01:30:00Z"),  # stands for two hours: the later one
        ("2024-10-27 01:59:59", "2024-10-26T23:59:59Z"),
    ],
)
def test_nights_of_the_clock_change(text: str, utc: str) -> None:
    assert time_from_text(text, ZoneInfo("Europe/Berlin")) == time_from_text(utc)


def test_blanks_are_those_that_the_engine_strips(con: duckdb.DuckDBPyConnection) -> None:
    signs = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    con.register("signs", pa.table({"sign": signs}))
    blank = con.execute(f"SELECT sign FROM signs WHERE {filled('sign', ('',))} IS NULL ORDER BY sign").fetchall()
    assert [sign for (sign,) in blank] == sorted(BLANKS)
