"""On which days sources said something of what was staged and judged: when it began, ended, and was silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from data.contract import US_PER_DAY
from data.intake.fresh import KEPT_EVENTS
from data.intake.judgement import MERGED_EVENT
from data.log.watermarks import Observed


class Day(NamedTuple):
    """Events of one source and type that are kept and became known on one day (UTC). Times in µs UTC.

    known: the first and the last time from which on one counts. told: the same as rows say it themselves, None for
    events that are there because of a merge: what was corrected by an export, or became a lead's by a merge, does not
    show that its source has told everything till then.
    """

    source: str
    event_type: str
    known: tuple[int, int]
    told: tuple[int, int] | None


def days_of(con: duckdb.DuckDBPyConnection, until: int) -> list[Day]:
    """Days up to a time (µs UTC), in order: a date of today lies ahead until it is over."""
    known, own = "coalesce(v.known, known_at)", f"FILTER (sort != {MERGED_EVENT})"
    rows = con.execute(
        f"""SELECT source, event_type, min({known}), max({known}), min(known_at) {own}, max(known_at) {own}
        {KEPT_EVENTS.format("staged_events")}
        GROUP BY source, event_type, known_at // {US_PER_DAY} ORDER BY ALL"""
    ).fetchall()
    days = []
    for source, kind, first, last, told_first, told_last in rows:
        told = None if told_first is None else (min(told_first, until), min(told_last, until))
        days.append(Day(source, kind, (min(first, until), min(last, until)), told))
    return days


def observed(days: Sequence[Day]) -> list[Observed]:
    """What was seen of each source and type."""
    times = defaultdict[tuple[str, str], list[int]](list)
    for day in days:
        times[day.source, day.event_type] += day.told or ()
    return [Observed(*key, min(of), max(of)) for key, of in times.items() if of]


def silences(days: Sequence[Day]) -> dict[str, int]:
    """The longest time (µs) in which each source said nothing."""
    longest, until = dict[str, int](), dict[str, int]()
    for (first, last), source in sorted((day.told, day.source) for day in days if day.told):
        longest[source] = max(longest.get(source, 0), first - until.get(source, first))
        until[source] = max(until.get(source, last), last)
    return longest


def known_span(days: Sequence[Day]) -> list[int]:
    """When the first and the last event became known; empty for none."""
    return [min(day.known[0] for day in days), max(day.known[1] for day in days)] if days else []
