"""The clock of an ingest: what time it is, and of when its export is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from data.contract import AHEAD, UsageError
from data.log.eventlog import EventLog
from data.times import iso_day


@dataclass(frozen=True)
class Clock:
    """The clock of an ingest and the time of its export, µs UTC. stated: whether that was stated rather than taken from
    the clock. takes_back: whether what its rows do not have any more is taken back."""

    now: int
    as_of: int
    stated: bool = False
    takes_back: bool = False


def clock_of(clock: Callable[[], float], as_of: int | None) -> Clock:
    """The clock of an ingest. clock: seconds since 1970. as_of: when the export was made (µs UTC), None for now. Raises
    UsageError for an export of the future."""
    now = int(clock() * 1_000_000)
    if as_of is not None and as_of > now + AHEAD:
        raise UsageError("the time of the export lies in the future; correct --as-of")
    return Clock(now, now if as_of is None else as_of, as_of is not None)


def require_past(complete_until: Mapping[str, int], times: Clock) -> None:
    """Raises UsageError where a source is stated to be complete until a time (µs UTC) that has not come yet."""
    for source, until in complete_until.items():
        if until > times.now + AHEAD:
            raise UsageError(
                f"source {source!r} cannot be complete until {iso_day(until)}, which lies in the future; correct "
                "--complete-until"
            )


def beside(times: Clock, old: EventLog | None) -> Clock:
    """The clock beside a log: only an export that says when it was made, and is the newest, takes anything back."""
    return replace(times, takes_back=old is not None and times.stated and times.as_of >= old.manifest.state_us)
