"""Whether data still arrives as usual: streams of events by source and type, each against its own rhythm by weekday.

A stream is silent when so many events would be due by now that their absence is no chance, for longer than ever before;
doubled when nearly every day of the newest week brings far more than that weekday did before, and did so at once. Of
nested streams the widest is told: when a source is silent, its types are not told one by one. What has been silent for
as long as a rhythm is learnt from has ended, and is not watched any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.typed_json import JsonObject

Counts = NDArray[np.int64]
Kind = Literal["silent", "doubled", "new", "late", "missing"]
EPOCH = date(1970, 1, 1).toordinal()
Stream = tuple[str, ...]
"""() is all, (source,) a source, (source, type) a type of it."""
WEEK = 7
LEARNT_DAYS, FEWEST_DAYS = 26 * WEEK, 6 * WEEK
"""A rhythm is learnt from so many days before what is judged, and at least from so many."""
SILENT_DAYS, LONGER, DUE = 6, 1.5, 30.0
"""Silent: from so many days on, so much longer than ever before, and so many events due (more where counts scatter)."""
NEW_DAYS, NEW_EVENTS = 8 * WEEK, 20
"""A type counts as new for so long, from so many events on."""
TIMES, TIMES_A_DAY, SURE, BUSY = 1.7, 1.3, 5.0, 0.65
"""Doubled: the week by so much, its days by that much, and by so many standard deviations."""
OF_THE_WEEK, DAYS_ABOVE = 0.02, 4
"""Days that bring less than such a share of a week say nothing; of the others all but one must, so many at least."""
SMALLER_FIFTHS = 0.44
"""The mean of a chi-squared variable of one degree without its largest fifth."""
TOLD_WEEKS = 12
"""What has doubled is held against the rhythm of before that for so long: later it is what is usual."""


@dataclass(frozen=True)
class DailyArrivals:
    """Events by source and type and day, int64[n] each, up to the newest whole day. first_day: in days since 1970."""

    first_day: int
    counts: Mapping[tuple[str, str], Counts]

    @property
    def streams(self) -> dict[Stream, Counts]:
        """All streams: everything, sources, types."""
        sums: dict[Stream, Counts] = {}
        for (source, kind), counts in self.counts.items():
            for stream in ((), (source,), (source, kind)):
                sums[stream] = sums.get(stream, np.zeros_like(counts)) + counts
        return sums


@dataclass(frozen=True)
class Alarm:
    """What is not as usual. since: the first day of it, in days since 1970. evidence: in words."""

    kind: Kind
    stream: Stream
    since: int
    evidence: str

    @property
    def is_red(self) -> bool:
        """Whether scores cannot be trusted until it is mended; what is new or late is only to be looked at."""
        return self.kind in ("silent", "doubled")

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return {**asdict(self), "red": self.is_red, "told": self.told}

    @property
    def told(self) -> str:
        """The same in a line."""
        what = " ".join(part for part in self.stream if part) or "everything"
        return f"{what} is {self.kind} since {date.fromordinal(EPOCH + self.since):%Y-%m-%d}: {self.evidence}"


def alarms_of(arrivals: DailyArrivals, outcomes: frozenset[str] = frozenset()) -> list[Alarm]:
    """What does not arrive as usual at the end of the newest whole day, the widest streams first.

    outcomes: types that end a lead's chance, which are judged together too, as the stream ("", "outcomes").
    """
    streams, alarms = arrivals.streams, list[Alarm]()
    ends = [counts for (_, kind), counts in arrivals.counts.items() if kind in outcomes]
    if ends:
        streams[("", "outcomes")] = np.sum(ends, axis=0)
    for stream in sorted(streams, key=lambda stream: (len(stream), stream)):
        wider = [alarm.stream for alarm in alarms if alarm.kind == "silent"]
        if not any(stream[: len(other)] == other for other in wider):
            alarms += _judged(stream, streams[stream], arrivals.first_day)
    return alarms


def _judged(stream: Stream, counts: Counts, first_day: int) -> list[Alarm]:
    checks = (_silent, _doubled) if len(stream) < 2 else (_silent, _new)
    alarms = (check(stream, counts, first_day) for check in checks)
    return [alarm for alarm in alarms if alarm is not None]


def _silent(stream: Stream, counts: Counts, first_day: int) -> Alarm | None:
    there = np.flatnonzero(counts)
    if not len(there):
        return None
    silence = len(counts) - 1 - int(there[-1])
    before = counts[max(0, there[-1] + 1 - LEARNT_DAYS, there[0]) : there[-1] + 1]
    if not SILENT_DAYS <= silence <= LEARNT_DAYS or len(before) < FEWEST_DAYS:
        return None
    longest = int(np.diff(np.flatnonzero(before)).max(initial=1)) - 1
    due = float(_expected(before, silence).sum())
    if silence <= LONGER * longest or due < DUE * _clustered(_scatter(before)):
        return None
    since = first_day + int(there[-1]) + 1
    return Alarm("silent", stream, since, f"no event for {silence} days, {due:.0f} were due")


def _doubled(stream: Stream, counts: Counts, first_day: int) -> Alarm | None:
    """Whether the newest week brings far more than was usual before, or before all weeks that do so in a row."""
    alarm, looked_at = None, np.sort(_weeks(counts[-LEARNT_DAYS - TOLD_WEEKS * WEEK :]))
    shortest = min(LEARNT_DAYS // WEEK, len(looked_at) - TOLD_WEEKS)
    if shortest > 0 and counts[-WEEK:].sum() < TIMES_A_DAY * looked_at[int(BUSY * (shortest - 1))]:
        return None  # no usual week that is learnt from any part of them is less than that
    for weeks in range(1, TOLD_WEEKS + 1):
        usual = _far_above(counts, weeks)
        if usual is not None:
            since, newest = first_day + len(counts) - weeks * WEEK, counts[-WEEK:].sum()
            alarm = Alarm("doubled", stream, since, f"{newest} events in a week, {usual:.0f} are usual")
    return alarm


def _far_above(counts: Counts, weeks: int) -> float | None:
    """A usual week before the newest so many, None when one of these is not far above it."""
    there = np.flatnonzero(counts)
    end = len(counts) - weeks * WEEK
    before = counts[max(0, end - LEARNT_DAYS, there[0]) : max(0, end)] if len(there) else counts[:0]
    if len(before) < FEWEST_DAYS:
        return None
    usual, week_by_week = _expected(before, WEEK), counts[end:].reshape(weeks, WEEK)
    of_weeks, scatter = _weeks(before), _scatter(before)
    week = max(float(usual.sum()), float(np.quantile(of_weeks, BUSY)))
    # A holiday in one of some weeks takes nothing back, as long as they are far above together.
    mean = week_by_week.mean(axis=0)
    is_far = mean.sum() >= _far(week, scatter / weeks) and week_by_week[-1].sum() >= TIMES_A_DAY * week
    is_sudden = week_by_week[0].sum() >= _far(max(week, _grown(of_weeks)), scatter)
    return week if is_far and is_sudden and _is_spread(mean, usual) else None


def _far(week: float, scatter: float) -> float:
    """From how many events on a week is far above a usual one."""
    return max(TIMES * week, week + SURE * float(np.sqrt(week * scatter)))


def _is_spread(mean: NDArray[np.float64], usual: NDArray[np.float64]) -> bool:
    """Whether nearly each day on which something usually comes brings more: a tracker may rest on Sundays."""
    is_busy = usual > OF_THE_WEEK * usual.sum()
    return int((is_busy & (mean > TIMES_A_DAY * usual)).sum()) >= max(DAYS_ABOVE, int(is_busy.sum()) - 1)


def _new(stream: Stream, counts: Counts, first_day: int) -> Alarm | None:
    there = np.flatnonzero(counts)
    if not len(there) or len(counts) - there[0] > NEW_DAYS or there[0] < FEWEST_DAYS or counts.sum() < NEW_EVENTS:
        return None
    return Alarm("new", stream, first_day + int(there[0]), f"{counts.sum()} events of a type that was not there before")


def _expected(before: Counts, days: int) -> NDArray[np.float64]:
    """How many events the days after `before` usually bring: the weekday's median, or mean where they are rare."""
    weekday = np.arange(len(before)) % WEEK
    medians = np.array([np.median(before[weekday == day]) for day in range(WEEK)])
    means = np.array([before[weekday == day].mean() for day in range(WEEK)])
    usual = medians if medians.sum() >= WEEK else means
    return np.asarray(usual[(len(before) + np.arange(days)) % WEEK], dtype=np.float64)


def _weeks(before: Counts) -> NDArray[np.int64]:
    """Sums of whole weeks that end with it."""
    return np.asarray(before[len(before) % WEEK :].reshape(-1, WEEK).sum(axis=1))


def _grown(of_weeks: NDArray[np.int64]) -> float:
    """A usual week of the next one, as it is if weeks go on growing: what doubles in half a year has not doubled.

    >>> _grown(np.array([20, 22, 24, 26, 28, 30])), _grown(np.array([5, 5, 5, 4, 4, 4]))
    (32.0, 4.0)
    """
    half = len(of_weeks) // 2
    early, late = (float(np.median(part)) for part in (of_weeks[:half], of_weeks[-half:]))
    return late + max(0.0, late - early) * (half + 1) / (2 * half)


def _scatter(before: Counts) -> float:
    """Variance of weekly sums over their mean; 1 for events that come by chance, more where they come in waves.

    From differences of neighbouring weeks, so that slow growth is no scatter, without the largest fifth, which are
    those of holidays.
    """
    weeks = _weeks(before)
    mean = max(float(weeks.mean()), 1e-9)
    squares = np.sort(np.diff(weeks) ** 2)
    return max(1.0, float(squares[: max(1, len(squares) * 4 // 5)].mean()) / 2 / SMALLER_FIFTHS / mean)


def _clustered(scatter: float) -> float:
    """How many times as many events must be due for none of them to be as unlikely as where they come by chance.

    Of a negative binomial count with mean m none comes with probability scatter^(-m / (scatter - 1)).

    >>> _clustered(1.0), round(_clustered(4.0), 2)
    (1.0, 2.16)
    """
    return 1.0 if scatter < 1.01 else float((scatter - 1) / np.log(scatter))
