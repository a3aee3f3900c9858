"""Written times: refused without a zone, right in both nights of the clock change, the same under every TZ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import AHEAD
from data.quoting import quoted
from data.sources.time_columns import TimeColumn, known_format, known_zone
from data.times import FIRST, IN_FUTURE, doubt_of
from tests.oracles.door_naive import written_time

NOW = 1_735_689_600_000_000
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def read(
    con: duckdb.DuckDBPyConnection, texts: Sequence[str], times: TimeColumn
) -> list[tuple[int | None, str | None]]:
    """µs UTC and the reason of refusal of each text."""
    rows = ", ".join(f"({i}, {quoted(text)})" for i, text in enumerate(texts))
    results: list[tuple[int | None, str | None]] = con.execute(
        f"""SELECT us, {times.check("at", "t", "us", NOW)} FROM (
        SELECT i, t, {times.sql("t")} AS us FROM (VALUES {rows}) AS v(i, t)) ORDER BY i"""
    ).fetchall()
    return results


def moment(year: int, month: int, day: int, *clock: int) -> int:
    hour, minute, second, micro = (*clock, 0, 0, 0, 0)[:4]
    at = datetime(year, month, day, hour, minute, second, micro, UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


wall = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.datetimes(
    datetime(2024, 3, 30), datetime(2024, 4, 8)
)
suffix = st.sampled_from(
    ["", "Z", "z", " UTC", " GMT", "+01:00", "-0930", "+05", " +0545", "+14:00", "Europe/Berlin", " CET"]
)
forms = st.sampled_from(["%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%d.%m.%Y %H:%M"])


def written(at: datetime, form: str, zone: str) -> str:
    return at.strftime(form).replace(str(at.year), f"{at.year:04d}", 1) + zone


@settings(max_examples=60)
@given(st.lists(st.builds(written, wall, forms, suffix), min_size=1, max_size=20), st.sampled_from([None, *ZONES]))
def test_times_are_what_the_standard_library_says(
    con: duckdb.DuckDBPyConnection, texts: list[str], zone: str | None
) -> None:
    # Before 1900 zones had odd local times that the two tables of zones keep differently.
    recent = [text for text in texts if not text[:4].isdigit() or int(text[:4]) > 1900 or zone in (None, "UTC")]
    if recent:
        assert [us for us, _ in read(con, recent, TimeColumn(zone, None))] == [written_time(t, zone) for t in recent]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-31 01:59:59", (2024, 3, 31, 0, 59, 59)),
        ("2024-03-31 02:30:00", (2024, 3, 31, 1, 30)),  # skipped
        ("2024-03-31 03:00:00", (2024, 3, 31, 1, 0)),
        ("2024-10-27 01:59:59", (2024, 10, 26, 23, 59, 59)),
        ("2024-10-27 02:30:00", (2024, 10, 27, 1, 30)),  # stands for two hours: the later one
        ("2024-10-27 03:00:00", (2024, 10, 27, 2, 0)),
    ],
)
@pytest.mark.parametrize("form", [None, "%Y-%m-%d %H:%M:%S"])
def test_nights_of_the_clock_change(
    con: duckdb.DuckDBPyConnection, text: str, utc: list[int], form: str | None
) -> None:
    assert read(con, [text], TimeColumn("Europe/Berlin", form)) == [(moment(*utc), None)]


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        ("2024-02-05", (2024, 2, 5, 22, 59, 59, 999_999)),
        ("2024-03-31", (2024, 3, 31, 21, 59, 59, 999_999)),  # of 23 hours
        ("2024-10-27", (2024, 10, 27, 22, 59, 59, 999_999)),  # of 25
        ("2024-02-29", (2024, 2, 29, 22, 59, 59, 999_999)),
        ("2023-12-31", (2023, 12, 31, 22, 59, 59, 999_999)),
    ],
)
def test_a_date_alone_is_the_end_of_its_day(con: duckdb.DuckDBPyConnection, day: str, utc: list[int]) -> None:
    assert read(con, [day], TimeColumn("Europe/Berlin", None)) == [(moment(*utc), None)]
    german = ".".join(reversed(day.split("-")))
    assert read(con, [german], TimeColumn("Europe/Berlin", "%d.%m.%Y")) == [(moment(*utc), None)]


@pytest.mark.parametrize("form", [None, "%Y-%m-%d"])
def test_a_date_alone_is_the_beginning_where_the_mapping_says_so(
    con: duckdb.DuckDBPyConnection, form: str | None
) -> None:
    assert read(con, ["2024-02-05"], TimeColumn("Europe/Berlin", form, "start")) == [(moment(2024, 2, 4, 23), None)]


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("America/Sao_Paulo", "2018-11-03", (2018, 11, 4, 2, 59, 59, 999_999)),  # the next day begins at 01:00
        ("Asia/Beirut", "2022-10-29", (2022, 10, 29, 21, 59, 59, 999_999)),  # its last hour comes twice
        ("America/Havana", "2024-11-02", (2024, 11, 3, 3, 59, 59, 999_999)),  # the next day's first hour comes twice
    ],
)
def test_clocks_that_change_at_midnight(
    con: duckdb.DuckDBPyConnection, zone: str, day: str, end: tuple[int, ...]
) -> None:
    assert read(con, [day], TimeColumn(zone, None)) == [(moment(*end), None)]


@pytest.mark.parametrize("form", [None, "%Y-%m-%d"])
def test_a_date_lies_in_the_future_when_its_day_has_not_begun(con: duckdb.DuckDBPyConnection, form: str | None) -> None:
    """NOW is midnight of 2025-01-01 UTC: the day has begun in Auckland and London, and in New York it has not."""
    for zone, begun in (("Pacific/Auckland", True), ("Europe/London", True), ("America/New_York", False)):
        (_, today), (_, tomorrow) = read(con, ["2025-01-01", "2025-01-02"], TimeColumn(zone, form))
        assert today == (None if begun else "at '2025-01-01' lies in the future")
        assert tomorrow == "at '2025-01-02' lies in the future"


@pytest.mark.parametrize("text", ["2024-01-05", "2024-01-05 10:00", "2024-01-05T10:00:00.5"])
def test_a_naive_time_needs_a_zone(con: duckdb.DuckDBPyConnection, text: str) -> None:
    (us, reason), *_ = read(con, [text], TimeColumn(None, None))
    assert us is None
    assert reason == f"at '{text}' has no time zone; set time_zone in the mapping"


@pytest.mark.parametrize(
    "text",
    [
        "infinity", "-infinity", "epoch", "now", "never", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "20240105",
        "2024-01-05 10:00 Europe/Berlin", "2024-01-05 10:00 Mars/Olympus", "0001-01-01 (BC) 00:00:00", "-0005-01-01",
        "2024-01-05T25:00:00Z", "10000-01-01T00:00:00Z", "12", "2024-01-05T10:00:00+99:99",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert read(con, [text], TimeColumn("UTC", None)) == [(None, f"at '{text}' is no time in ISO 8601")]


def test_what_is_ahead_of_the_clock_by_five_minutes_is_skew() -> None:
    assert doubt_of(NOW + AHEAD, NOW) is None
    assert doubt_of(NOW + AHEAD + 1, NOW) == IN_FUTURE


EVER = TimeColumn(None, None, earliest=FIRST)


def test_a_null_date_is_none_unless_it_is_meant(con: duckdb.DuckDBPyConnection) -> None:
    early, first = "1989-12-31T23:59:59.999999Z", "1990-01-01T00:00:00Z"
    (_, reason), (_, none) = read(con, [early, first], TimeColumn(None, None))
    assert (reason, none) == (f"at '{early}' is a null date; if it is meant, set earliest", None)
    assert [why for _, why in read(con, [early, first], EVER)] == [None, None]


def test_the_ends_of_time(con: duckdb.DuckDBPyConnection) -> None:
    rows = read(con, ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"], EVER)
    assert rows[0] == (moment(1, 1, 1), None)
    assert rows[1] == (moment(9999, 12, 31, 23, 59, 59), "at '9999-12-31T23:59:59Z' lies in the future")
    assert rows[2][1] == "at '0001-01-01T00:00:00+14:00' lies outside the years 1 to 9999 in UTC"


def test_five_minutes_ahead_are_clock_skew(con: duckdb.DuckDBPyConnection) -> None:
    edge = (NOW + AHEAD) // 1000
    rows = read(con, [str(edge), str(edge + 1)], TimeColumn(None, "epoch_ms"))
    assert [reason for _, reason in rows] == [None, f"at '{edge + 1}' lies in the future"]


@pytest.mark.parametrize(
    ("form", "zone", "text", "utc"),
    [
        ("%d.%m.%Y %H:%M", "Europe/Berlin", "05.02.2024 10:00", (2024, 2, 5, 9, 0)),
        ("%m/%d/%Y", "America/New_York", "02/05/2024", (2024, 2, 6, 4, 59, 59, 999_999)),
        ("%d-%m-%Y", "UTC", "05-02-2024", (2024, 2, 5, 23, 59, 59, 999_999)),  # ends like an offset
        ("%d.%m.%Y %H:%M %z", None, "05.02.2024 10:00 +0100", (2024, 2, 5, 9, 0)),
        ("%d.%m.%Y %z", None, "05.02.2024 +0100", (2024, 2, 5, 22, 59, 59, 999_999)),
        ("%%H %j %Y", "UTC", "%H 036 2024", (2024, 2, 5, 23, 59, 59, 999_999)),  # a sign, and no hour
        ("%-d.%-m.%y %-I %p", "UTC", "5.2.24 9 PM", (2024, 2, 5, 21)),
        ("epoch_s", None, "1707127200", (2024, 2, 5, 10)),
        ("epoch_s", None, "1707127200.25", (2024, 2, 5, 10, 0, 0, 250000)),
        ("epoch_ms", "Asia/Kathmandu", "1707127200000", (2024, 2, 5, 10)),
    ],
)
def test_formats(con: duckdb.DuckDBPyConnection, form: str, zone: str | None, text: str, utc: list[int]) -> None:
    assert read(con, [text], TimeColumn(zone, form)) == [(moment(*utc), None)]


@pytest.mark.parametrize(
    ("form", "text"), [("epoch_s", "NaN"), ("epoch_s", "1e300"), ("epoch_ms", "2024-01-05"), ("%d.%m.%Y", "2024-02-05")]
)
def test_what_does_not_follow_the_format_is_refused(con: duckdb.DuckDBPyConnection, form: str, text: str) -> None:
    assert read(con, [text], TimeColumn("UTC", form)) == [(None, f"at '{text}' is no time written as {form}")]


def test_a_message_hides_what_may_be_personal(con: duckdb.DuckDBPyConnection) -> None:
    (_, reason), *_ = read(con, ["ada@example.org called +49 170 1234567"], TimeColumn("UTC", None))
    assert reason == "at '<e-mail> called <number>' is no time in ISO 8601"


def test_zones_and_formats_are_known_before_they_are_used() -> None:
    assert [known_zone(name) for name in ("Europe/Berlin", "UTC", "Mars/Olympus", "")] == [True, True, False, False]
    assert [known_format(text) for text in ("epoch_s", "%Y", "%Q", "yesterday")] == [True, True, False, False]
