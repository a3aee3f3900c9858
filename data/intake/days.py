"""On which days sources said something of what was staged and judged: since when, until when, and how long nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from data.contract import US_PER_DAY
from data.intake.fresh import TOLD_EVENTS
from data.log.watermarks import Observed


class Day(NamedTuple):
    """Events of one source and type that one day (UTC) told of: the first and the last, µs UTC, and how many.

    By the times that rows say themselves: what was corrected by an export, or became a lead's by a merge, is known from
    then on, and does not show that its source has told everything till then.
    """

    source: str
    event_type: str
    first: int
    last: int
    events: int


def days_of(
    con: duckdb.DuckDBPyConnection, until: int, from_clause: str = TOLD_EVENTS.format("staged_events")
) -> list[Day]:
    """Days up to a time (µs UTC): a date of today lies ahead until it is over. from_clause: SQL, of which rows."""
    rows = con.execute(
        f"""SELECT source, event_type, min(known_at), max(known_at), count(*) {from_clause}
        GROUP BY source, event_type, known_at // {US_PER_DAY} ORDER BY ALL"""
    ).fetchall()
    return [Day(source, kind, min(first, until), min(last, until), n) for source, kind, first, last, n in rows]


def observed(days: Sequence[Day]) -> list[Observed]:
    """What was seen of each source and type."""
    seen = dict[tuple[str, str], Observed]()
    for day in days:
        key, of_day = day[:2], Observed(*day)
        seen[key] = seen[key].and_more(of_day) if key in seen else of_day
    return [*seen.values()]


def silences(days: Sequence[Day]) -> dict[str, int]:
    """The longest time (µs) in which each source said nothing."""
    longest, until = dict[str, int](), dict[str, int]()
    for first, last, source in sorted((day.first, day.last, day.source) for day in days):
        longest[source] = max(longest.get(source, 0), first - until.get(source, first))
        until[source] = max(until.get(source, last), last)
    return longest
