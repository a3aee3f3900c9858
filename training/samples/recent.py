"""From when on a model looks at moments: all of them, from a day on, or those of the last months."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data.contract import US_PER_DAY, US_PER_SECOND, DataError, UsageError
from data.times import NoTime, time_from_text

if TYPE_CHECKING:
    from training.samples.sample import Sample

SPAN = re.compile(r"(\d{1,4}) (day|week|month|year)s?")
DAYS = {"day": 1, "week": 7}
"""Units of a span that have a length; the others go by the calendar."""


def check_since(since: str) -> str:
    """The text again. Raises ValueError for what is neither a day nor a span.

    >>> check_since("12 months"), check_since("2025-01-01"), check_since("")
    ('12 months', '2025-01-01', '')
    """
    if since and not SPAN.fullmatch(since):
        _day(since)
    return since


def recent(sample: Sample, since: str) -> Sample:
    """The moments from a day on (00:00 UTC), or of a span that ends with the newest one; all where `since` is empty.

    Raises DataError where that leaves nothing, UsageError for rows that have no times.
    """
    if not since:
        return sample
    if not sample.tells_when:
        raise UsageError(
            f"training.since = {since!r} needs moments of an event log; a table has rows in order, no times"
        )
    start = first_moment(since, int(sample.as_of.max()))
    if start > sample.as_of.max():
        raise DataError(f"training.since = {since!r}: there is no moment since; take an earlier day or a longer span")
    return sample.of(sample.as_of >= start)


def first_moment(since: str, newest: int) -> int:
    """When the moments that count begin, µs UTC; newest: the last moment there is.

    >>> first_moment("1 day", 86_400_000_000), first_moment("1970-01-02", 0)
    (0, 86400000000)
    """
    span = SPAN.fullmatch(since)
    if span is None:
        return _day(since)
    count, unit = int(span[1]), span[2]
    if unit in DAYS:
        return newest - count * DAYS[unit] * US_PER_DAY
    end = datetime.fromtimestamp(newest // US_PER_SECOND, UTC)
    month = 12 * end.year + end.month - 1 - count * (12 if unit == "year" else 1)
    year, month = max(month // 12, 1970), month % 12 + 1
    start = end.replace(year=year, month=month, day=min(end.day, monthrange(year, month)[1]))
    return int(start.timestamp()) * US_PER_SECOND


def _day(text: str) -> int:
    try:
        return time_from_text(text, day_zone=UTC)
    except NoTime as error:
        raise ValueError(
            f"{text!r} is neither a span such as '12 months' nor a day such as '2025-01-01' ({error})"
        ) from None
