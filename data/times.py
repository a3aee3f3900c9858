"""What a person's text means as a time, or why it is refused: the one rule of files, requests, addresses and commands.

YYYY-MM-DD, `T` or a blank, hh:mm, optionally :ss and a fraction (what is finer than a microsecond is cut), and a zone:
`Z`, `UTC`, `GMT`, ±hh, ±hhmm or ±hh:mm, a blank before it or none. Upper or lower case, blanks around it. Other forms,
as `1.3.2026`, are a column's, by the `time_format` of its mapping: `data/sources/time_columns.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Literal

from data.contract import AHEAD, BLANKS, US_PER_SECOND

DAY = r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
CLOCK = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]+)?)?"
UTC_WORDS = ("Z", "UTC", "GMT")
ZONE = rf" ?(?:{'|'.join(UTC_WORDS)}|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
"""In upper case; they mean the same to Python and to DuckDB."""
WRITTEN = re.compile(f"({DAY})({CLOCK})?({ZONE})?", re.IGNORECASE | re.ASCII)
FIRST, LAST = -62_135_596_800 * US_PER_SECOND, 253_402_300_800 * US_PER_SECOND - 1
"""µs UTC of the first and the last moment of the years 1 to 9999."""
CLOCK_OF_DATES = {"start": "00:00", "end": "23:59:59.999999"}
"""What the clock shows at the time that a date alone means."""
DatesAre = Literal["start", "end"]
EPOCHS = {"epoch_s": US_PER_SECOND, "epoch_ms": 1000, "epoch_us": 1}
"""Ways to write a time as a number, each to be declared: µs in one."""
EARLIEST = 631_152_000 * US_PER_SECOND
"""µs UTC of 1990-01-01: what lies before it (0001-01-01, 1899-12-30, 1900, 1970) says that no date is known."""
NULL_DATE, IN_FUTURE = "is a null date; if it is meant, set earliest", "lies in the future"
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
EXAMPLE = "2024-05-01T12:00:00Z"


def iso_day(at: int) -> str:
    """The UTC day of µs, for messages.

    >>> iso_day(1_709_596_800_000_000)
    '2024-03-05'
    """
    return f"{datetime.fromtimestamp(at // US_PER_SECOND, UTC):%Y-%m-%d}"


class NoTime(ValueError):
    """Why a text is no time, as the end of a sentence: `has no time zone; add one, …`."""


def time_from_text(
    text: str, zone: tzinfo | None = None, day_zone: tzinfo | None = None, dates_are: DatesAre = "start"
) -> int:
    """µs UTC of a written time. Raises NoTime.

    zone: where a time without a zone of its own is at home; without it such a time is refused. A time within a repeated
    hour means its second pass, so that nothing is known before it happened; one within a skipped hour is as far behind
    the last hour before it as it says. day_zone: where a date alone is at home; without it it is refused.

    dates_are: whether a date alone means the beginning of its day, as a boundary does, or its end, the last microsecond
    before the next day: of what happened on a day it is sure only then that it has happened.

    >>> from datetime import UTC
    >>> time_from_text("1970-01-01 01:00:01.5 +01:00"), time_from_text("1970-01-02", day_zone=UTC)
    (1500000, 86400000000)
    >>> time_from_text("1970-01-02", day_zone=UTC, dates_are="end")
    172799999999
    """
    written = WRITTEN.fullmatch(text.strip(BLANKS))
    if written is None or (written[3] and not written[2]):
        raise NoTime(_why_not(text.strip(BLANKS)))
    day, clock, offset = written.groups()
    home = None if offset else zone if clock else day_zone
    if not offset and home is None:
        raise NoTime(f"has no {'time zone; add one, e.g. Z or +02:00' if clock else f'time of day; write {EXAMPLE}'}")
    try:
        naive = datetime.fromisoformat(f"{day}T{clock[1:] if clock else CLOCK_OF_DATES[dates_are]}")
    except ValueError:
        raise NoTime(f"is no time: there is no such day; write one like {EXAMPLE}") from None
    east = _offset(offset) if offset else _east(naive, home)
    at = (naive - EPOCH) // MICROSECOND - east // MICROSECOND
    if not FIRST <= at <= LAST:
        raise NoTime("lies outside the years 1 to 9999 in UTC")
    return at


def time_from_number(number: float, form: str) -> int:
    """µs UTC of a number whose unit is declared, one of EPOCHS. Raises NoTime.

    >>> time_from_number(1761991200000, "epoch_ms"), time_from_number(1.5, "epoch_s")
    (1761991200000000, 1500000)
    """
    at = round(Decimal(str(number)) * EPOCHS[form])
    if not FIRST <= at <= LAST:
        raise NoTime("lies outside the years 1 to 9999 in UTC")
    return at


def doubt_of(at: int, clock: int, earliest: int = EARLIEST) -> str | None:
    """Why something cannot have happened at `at`, as the end of a sentence; None where it can. All are µs UTC.

    earliest: the first time that is a date at all, where another one is declared. What is ahead of the clock by up to
    five minutes is taken for skew.

    >>> doubt_of(0, clock=EARLIEST), doubt_of(0, clock=EARLIEST, earliest=0)
    ('is a null date; if it is meant, set earliest', None)
    """
    if at < earliest:
        return NULL_DATE
    return IN_FUTURE if at > clock + AHEAD else None


def _why_not(text: str) -> str:
    if re.fullmatch("[+-]?[0-9]+([.][0-9]+)?", text):
        return f"is a number without a unit; write {EXAMPLE}"
    return f"is no time; write one like {EXAMPLE} or 2024-05-01T12:00:00+02:00"


def _offset(zone: str) -> timedelta:
    """How far east of Greenwich a written zone is."""
    digits = re.sub("[^0-9]", "", zone)
    size = timedelta(hours=int(digits[:2] or 0), minutes=int(digits[2:] or 0))
    return -size if "-" in zone else size


def _east(naive: datetime, home: tzinfo | None) -> timedelta:
    """How far east of Greenwich the clocks of a zone stand at a time that they show."""
    first, second = (naive.replace(tzinfo=home, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return min(first, second)
