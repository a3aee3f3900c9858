"""Times as a body writes them, to µs UTC: the usual form many at once in compiled code, all others by the one rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from data.compiled import njit
from data.times import EARLIEST, FIRST, LAST, NoTime, time_from_text
from serving.messages.problems import Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NONE = -(2**60)
"""Of what is no time."""


def us(at: datetime) -> int:
    """µs UTC of an aware time. Raises Refused for one that is before the year 1 or after 9999 in UTC.

    >>> us(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    since = (at - EPOCH) // MICROSECOND
    if not FIRST <= since <= LAST:
        raise Refused("invalid", "a time lies outside the years 1 to 9999 in UTC")
    return since


def at(moment: int) -> datetime:
    """The UTC time of µs.

    >>> at(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=moment)


def iso(moment: int) -> str:
    """The UTC second of µs for machines, e.g. the attribute datetime; one beyond the years 1 to 9999 is their edge.

    >>> iso(1_709_596_800_000_000)
    '2024-03-05T00:00:00Z'
    """
    inside = at(min(max(moment, FIRST), LAST))
    return f"{inside.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def all_us(texts: Sequence[str], place: Callable[[int], str]) -> list[int]:
    """µs UTC of texts, as `time_from_text` reads each; `place` names the i-th one. Raises Refused.

    >>> all_us(["1970-01-01T00:00:01Z", "1970-01-01T01:00:00.5+01:00"], str)
    [1000000, 500000]
    """
    content = np.frombuffer(("\n".join(texts) + "\n").encode("utf-8", "replace"), np.uint8)
    out = np.empty(len(texts), np.int64)
    if not texts or _read(content, out):
        return out.tolist()
    return [written_us(text, place(i)) for i, text in enumerate(texts)]


def earliest_of(declared: str | None) -> int:
    """µs UTC of the first time that is a date at all. Raises Refused."""
    return EARLIEST if declared is None else written_us(declared, "$.earliest")


def written_us(text: str, place: str) -> int:
    """µs UTC of one text at a place of the body. Raises Refused."""
    try:
        return time_from_text(text)
    except NoTime as error:
        raise Refused("invalid", f"{place} {error}") from None


@njit()
def _read(content, out):  # type: ignore[no-untyped-def]
    """Whether each line is YYYY-MM-DDThh:mm:ss, up to six digits of a fraction, and Z or ±hh:mm; then fills `out`.

    What it reads it reads as `time_from_text` does; what it does not read is left to that.
    """
    at = 0
    for i in range(len(out)):
        if at + 20 > len(content):
            return False
        seconds = _seconds(content, at)
        at, scale, fraction = at + 19, 1_000_000, 0
        if content[at] == ord("."):
            at += 1
            while scale > 1 and ord("0") <= content[at] <= ord("9"):
                scale //= 10
                fraction += (int(content[at]) - ord("0")) * scale
                at += 1
        east = NONE if content[at - 1] == ord(".") else 0
        if content[at] == ord("Z"):
            at += 1
        else:
            east += _east(content, at)
            at += 6
        if seconds <= NONE or east <= NONE or at >= len(content) or content[at] != ord("\n"):
            return False
        out[i] = (seconds - east) * 1_000_000 + fraction
        at += 1
    return at == len(content)


@njit()
def _seconds(content, at):  # type: ignore[no-untyped-def]
    """Seconds of YYYY-MM-DDThh:mm:ss since 1970, NONE or less for no such time."""
    marks = content[at + 4] == ord("-") and content[at + 7] == ord("-") and content[at + 10] == ord("T")
    if not (marks and content[at + 13] == ord(":") and content[at + 16] == ord(":")):
        return NONE
    year = 100 * _pair(content, at) + _pair(content, at + 2)
    month, day = _pair(content, at + 5), _pair(content, at + 8)
    hour, minute, second = _pair(content, at + 11), _pair(content, at + 14), _pair(content, at + 17)
    # The first and the last year are left to the slow way, which knows where time ends.
    if not (2 <= year <= 9998 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        return NONE
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return NONE
    return ((_days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


@njit()
def _east(content, at):  # type: ignore[no-untyped-def]
    """Seconds east of Greenwich of ±hh:mm, NONE for no such zone."""
    if at + 6 > len(content) or content[at + 3] != ord(":") or (content[at] != ord("+") and content[at] != ord("-")):
        return NONE
    hours, minutes = _pair(content, at + 1), _pair(content, at + 4)
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        return NONE
    seconds = 60 * (60 * hours + minutes)
    return seconds if content[at] == ord("+") else -seconds


@njit(inline="always")
def _pair(content, at):  # type: ignore[no-untyped-def]
    """The number that two digits write, far below zero for what is none."""
    tens, ones = np.int64(content[at]) - 48, np.int64(content[at + 1]) - 48
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1_000_000


@njit()
def _days_in(year, month):  # type: ignore[no-untyped-def]
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@njit()
def _days_since_epoch(year, month, day):  # type: ignore[no-untyped-def]
    """Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day comes last."""
    year -= month <= 2
    in_era, era = year % 400, year // 400
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + in_era * 365 + in_era // 4 - in_era // 100 + in_year - 719_468
