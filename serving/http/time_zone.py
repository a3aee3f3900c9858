"""Days as people count them: in the time zone that the settings name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from data.contract import US_PER_DAY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def local(moment: int, zone: ZoneInfo) -> int:
    """A moment (µs UTC) moved so that what UTC says of it is what the clocks of the zone say.

    >>> local(0, ZoneInfo("Europe/Berlin")) // 3_600_000_000
    1
    """
    try:
        offset = (EPOCH + timedelta(microseconds=moment)).astimezone(zone).utcoffset()
    except (OverflowError, ValueError):
        return moment
    return moment + (offset or timedelta()) // MICROSECOND


def midnight(now: int, days: int, zone: ZoneInfo) -> int:
    """When the day so many days from now begins in a zone, µs UTC; by day counted, whatever clocks are put forward.

    >>> midnight(0, 1, ZoneInfo("Europe/Berlin")) // 3_600_000_000
    23
    """
    day = timedelta(days=local(now, zone) // US_PER_DAY + days)
    begins = (EPOCH + day).replace(tzinfo=zone)
    return (begins.astimezone(UTC) - EPOCH) // MICROSECOND
