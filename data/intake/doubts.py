"""What an export makes one doubt before it becomes a number: types, ids, dates, sources and people in it.

All of it is asked of staged rows, so a check sees just what an ingest would take in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from data.contract import US_PER_DAY
from data.intake.examination import (
    Examination,
    Span,
    TypeRows,
    rows_by_table,
    rows_by_type,
    samples_of,
    shared_leads,
    spans_of_sources,
)
from data.masking import masked
from data.quoting import named
from data.sources.checks import personal
from data.sources.mapping import Mapping as SourceMapping
from data.times import iso_day

GAP = 14 * US_PER_DAY
"""A source that is silent for so long is named."""
FEW_SHARED = 0.01
"""Of the ids of the smaller of two tables; with fewer in common they speak of different leads."""
SHOWN, SAMPLE, MANY_NAMES = 5, 2000, 10
SAYS_WHO = re.compile(
    r"(^|[^a-z])((first|last|full|sur|family|given|contact)?[ _-]?name|vorname|nachname)$"
    "|e[ _-]?mail|phone|mobile|telefon|fax",
    re.IGNORECASE,
)
"""What columns are called that say who somebody is."""
NAME = r"^[A-ZÄÖÜ][a-zäöüßé]+ ([A-Z][.] )?[A-ZÄÖÜ][a-zäöüßé]+(-[A-ZÄÖÜ][a-zäöüßé]+)?$"


def examine(
    con: duckdb.DuckDBPyConnection, mapping: SourceMapping, zones: Mapping[tuple[str, int], str]
) -> Examination:
    """Looks at all that was staged; all types of the mapping are known. zones: of each table, by kind and part."""
    types, shared, spans = rows_by_type(con, mapping.event_types), shared_leads(con), spans_of_sources(con)
    doubts = [
        *_of_types(types), *_of_ids(*shared), *_of_dates(con), *_of_spans(spans),
        *_of_people(con, mapping),
    ]  # fmt: skip
    return Examination(rows_by_table(con, zones), types, shared, spans, samples_of(con), tuple(doubts))


def _of_types(types: Sequence[TypeRows]) -> list[str]:
    near = [
        f"event type {masked(row.event_type)!r} ({row.events} rows) is not in event_types; the nearest is "
        f"{row.nearest!r}: add it, or map it by values"
        for row in types
        if row.nearest is not None
    ]
    if types and not any(row.is_known for row in types):
        near.append("not one event is of a type in event_types, so features speak of none of them; correct event_types")
    return near


def _of_ids(events: int, profiles: int, both: int) -> list[str]:
    if not events or not profiles or both > FEW_SHARED * min(events, profiles):
        return []
    return [
        f"of {events} leads with events and {profiles} with a profile {both} are the same: do both tables call "
        "leads by the same id? Correct lead_id, join them by a query, or add [identities]"
    ]


def _of_dates(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Dates that say that none is known, and what else was refused by the thousand."""
    doubts = []
    for words, remedy in (
        ("is a null date", "they are left out; export empty cells instead, or set earliest where they are meant"),
        ("lies in the future", "they are left out; is the date a plan, or the time zone wrong?"),
        ("has lost digits", "export the ids as text, never through a spreadsheet"),
    ):
        rows = con.execute(
            """SELECT regexp_extract(reason, '''([^'']*)''', 1) AS value, count(*) AS n FROM rejected
            WHERE contains(reason, ?) GROUP BY value ORDER BY n DESC, value""",
            [words],
        ).fetchall()
        if rows:
            shown = ", ".join(f"{value} {n} times" for value, n in rows[:SHOWN])
            more = "" if len(rows) <= SHOWN else " …"
            doubts.append(f"{sum(n for _, n in rows)} values of which each {words} ({shown}{more}); {remedy}")
    return doubts


def _of_spans(spans: Sequence[Span]) -> list[str]:
    """Gaps. Which source lags is asked of the log as a whole, which knows more of it than one export."""
    return [
        f"source {span.source!r} tells nothing between {iso_day(span.silent_from)} and {iso_day(span.silent_until)}"
        for span in spans
        if span.silent_until - span.silent_from > GAP
    ]


def _of_people(con: duckdb.DuckDBPyConnection, mapping: SourceMapping) -> list[str]:
    """Categories that look as if they said who somebody is, by their name or by what they hold."""
    present = {row[0] for row in con.execute("DESCRIBE SELECT * FROM staged_leads").fetchall()}
    doubts = []
    for name, kind in mapping.profile.items():
        if kind != "category" or f"p_{name}" not in present:
            continue
        column = named(f"p_{name}")
        filled, people, names, different = con.execute(
            f"""SELECT count(*), count(*) FILTER ({personal("value")}),
                count(*) FILTER (regexp_matches(value, '{NAME}')),
                count(DISTINCT value) FILTER (regexp_matches(value, '{NAME}'))
            FROM (SELECT {column} AS value FROM staged_leads WHERE {column} NOT IN ('yes', 'no') LIMIT {SAMPLE})"""
        ).fetchall()[0]
        # People have many names; ten of them for hundreds of leads are sources, like Paid Search.
        are_names = 2 * names > filled and MANY_NAMES * different > filled
        if people or (filled and (SAYS_WHO.search(name) or are_names)):
            doubts.append(
                f"column {name!r} is kept and looks as if it said who people are; add it to personal, or keep a flag"
            )
    return doubts
