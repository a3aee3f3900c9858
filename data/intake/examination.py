"""What staged rows hold: by table, by type, by source, and some of them as they will be stored."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from data.contract import CONTEXT, US_PER_DAY
from data.intake.quarantine import TOLD
from data.quoting import named

ENOUGH = 20
"""Events of a type from which on it is known without being listed."""
MANY = 1_000_000
"""Events from which on ids are compared in one bucket only."""
NEAR, SHOWN = 0.8, 5
HIDDEN = (
    *("part", "n", "high", "low", "content", "lead_hash", "known", "sort", "bucket", "cells", "reason"),
    *("file", "file_row", "deal", *CONTEXT),
)
"""Columns of staged rows that are none of theirs."""


@dataclass(frozen=True)
class TableRows:
    """Rows of one table from one source, and the time zone in which its times are read."""

    kind: str
    source: str
    received: int
    rejected: int
    time_zone: str


@dataclass(frozen=True)
class TypeRows:
    """Events of a type, and the declared type that is nearest where it is none itself."""

    event_type: str
    events: int
    is_known: bool
    nearest: str | None


@dataclass(frozen=True)
class Span:
    """When events of a source happened, µs UTC, and its longest silence."""

    source: str
    first: int
    last: int
    silent_from: int
    silent_until: int


SampleRow = Mapping[str, str | float | bool | None]
"""A row by column, as people read it."""


@dataclass(frozen=True)
class Examination:
    """What was seen. shared: ids of events and of profiles, and those that both have. samples: by kind, rows as they
    will be stored. doubts: sentences, for people."""

    tables: tuple[TableRows, ...]
    types: tuple[TypeRows, ...]
    shared: tuple[int, int, int]
    spans: tuple[Span, ...]
    samples: Mapping[str, Sequence[SampleRow]]
    doubts: tuple[str, ...]

    @property
    def sources(self) -> set[str]:
        """The sources of its events."""
        return {span.source for span in self.spans}

    @property
    def share_rejected(self) -> float:
        """Rejected rows among all that were received, 0 to 1."""
        received = sum(table.received for table in self.tables)
        return sum(table.rejected for table in self.tables) / received if received else 0.0


def frequent_types(con: duckdb.DuckDBPyConnection, before: Mapping[str, int], known: Sequence[str]) -> tuple[str, ...]:
    """Types with ENOUGH events, here and before, the most frequent first; all of them where nothing is known yet.

    before: how many events of each type the log was told; known: its types, which stay known.
    """
    rows = con.execute(
        "SELECT event_type, count(*) AS n FROM staged_events WHERE n > 0 GROUP BY ALL ORDER BY n DESC, 1"
    ).fetchall()
    enough = [name for name, n in rows if n + before.get(name, 0) >= ENOUGH and name not in known]
    return (*known, *enough) or tuple(name for name, _ in rows)


def rejected_rows(con: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str]]:
    """(source, row, reason) of all rows that were not accepted, in their order."""
    rows = con.execute(f"SELECT source, row, reason FROM ({TOLD}) ORDER BY ALL").fetchall()
    return [(source, int(row), reason) for source, row, reason in rows]


def rows_by_table(con: duckdb.DuckDBPyConnection, zones: Mapping[tuple[str, int], str]) -> tuple[TableRows, ...]:
    """Good and rejected rows of every table and source. zones: its time zone, by kind and part."""
    good = " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, part, count(*) AS n FROM staged_{kind} WHERE n > 0 AND part >= 0 GROUP BY ALL"
        for kind in ("events", "leads")
    )
    bad = "SELECT kind, part, count(*) AS n FROM rejected GROUP BY ALL"
    rows = con.execute(
        f"""SELECT kind, part, source, coalesce(good.n, 0), coalesce(bad.n, 0) FROM sources
        LEFT JOIN ({good}) good USING (kind, part) LEFT JOIN ({bad}) bad USING (kind, part)
        WHERE kind IN ('events', 'leads') ORDER BY kind, part"""
    ).fetchall()
    return tuple(
        TableRows(kind, source, good + bad, bad, zones.get((kind, part), "")) for kind, part, source, good, bad in rows
    )


def rows_by_type(con: duckdb.DuckDBPyConnection, known: Sequence[str]) -> tuple[TypeRows, ...]:
    """Events by type, the most frequent first, beside those that are known."""
    rows = con.execute(
        "SELECT event_type, count(*) AS n FROM staged_events WHERE n > 0 GROUP BY ALL ORDER BY n DESC, 1"
    ).fetchall()
    return tuple(TypeRows(name, n, name in known, None if name in known else nearest(name, known)) for name, n in rows)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The declared type that a name may stand for: it differs in case, blanks or punctuation only, or in a few letters.

    >>> nearest("Email Open", ["email_open", "call"]), nearest("xyz", ["call"])
    ('email_open', None)
    """
    plain = {_plain(other): other for other in known}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=NEAR)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def shared_leads(con: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Leads with events, with profiles, and with both: of some buckets where there are many, and never all at once."""
    total = con.execute("SELECT count(*) FROM staged_events").fetchall()[0][0]
    some = "" if total < MANY else "AND bucket = 0"
    row = con.execute(
        f"""SELECT count(*) FILTER (e), count(*) FILTER (l), count(*) FILTER (e AND l) FROM (
        SELECT lead_hash, bool_or(is_event) AS e, bool_or(NOT is_event) AS l FROM (
            SELECT lead_hash, true AS is_event FROM staged_events WHERE n > 0 {some}
            UNION ALL SELECT lead_hash, false FROM staged_leads WHERE n > 0 {some}) GROUP BY lead_hash)"""
    ).fetchall()[0]
    return int(row[0]), int(row[1]), int(row[2])


def spans_of_sources(con: duckdb.DuckDBPyConnection) -> tuple[Span, ...]:
    """By the days on which something happened."""
    rows = con.execute(
        f"""SELECT source, min(first), max(last), max_by(first - gap, gap), max_by(first, gap) FROM (
            SELECT *, first - lag(last, 1, first) OVER (PARTITION BY source ORDER BY day) AS gap FROM (
                SELECT source, occurred_at // {US_PER_DAY} AS day, min(occurred_at) AS first, max(occurred_at) AS last
                FROM staged_events WHERE n > 0 GROUP BY ALL))
        GROUP BY source ORDER BY source"""
    ).fetchall()
    return tuple(Span(*row) for row in rows)


def samples_of(con: duckdb.DuckDBPyConnection) -> dict[str, list[SampleRow]]:
    """Some rows of each kind, with times as people read them."""
    samples: dict[str, list[SampleRow]] = {}
    for kind, times in (("events", ("occurred_at", "known_at")), ("leads", ("valid_from",))):
        columns = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM staged_{kind}").fetchall()]
        shown = [name for name in columns if name not in HIDDEN]
        texts = ", ".join(
            f"make_timestamp({name})::VARCHAR || 'Z' AS {name}" if name in times
            else f"{named(name)} AS {named(name.removeprefix('p_'))}" for name in shown
        )  # fmt: skip
        rows = con.execute(f"SELECT {texts} FROM staged_{kind} WHERE n > 0 LIMIT {SHOWN}").fetchall()
        heads = [name.removeprefix("p_") for name in shown]
        samples[kind] = [dict(zip(heads, row, strict=True)) for row in rows]
    return samples
