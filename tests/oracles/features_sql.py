"""Features as SQL run by DuckDB: a range join of moments and events, and one aggregate per definition.

It knows the kinds that are listed; a new kind is held against its plain definition alone until it is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import duckdb
import pyarrow as pa

from data.vocabulary import ANY, Vocabulary
from features import kinds as of
from features.kinds.definition import Value
from tests.oracles.features_naive import Lead

KINDS = (
    *(of.Count, of.Sum, of.Mean, of.Max, of.Recency, of.Age, of.ActiveDays, of.Sessions, of.Decayed, of.Trend),
    *(of.Cadence, of.FirstTouch, of.LastTouch, of.DistinctTypes, of.IgnoredInRow, of.Profile, of.ProfileNumber),
)
DAY = 86_400_000_000
NUMBER = {"known_at": pa.int64(), "occurred_at": pa.int64(), "event_type": pa.string(), "channel": pa.string()}
REST = {"value": pa.float64(), "bot": pa.bool_(), "superseded_at": pa.int64()}
REST |= {"campaign": pa.string(), "asset": pa.string()}
EVENTS = pa.schema([("lead", pa.int64()), ("n", pa.int64()), *NUMBER.items(), *REST.items()])


def features_by_sql(
    catalogue: Sequence[of.Definition],
    vocabulary: Vocabulary,
    events: pa.Table,
    versions: pa.Table,
    moments: Sequence[tuple[int, int]],
) -> list[dict[str, Value]]:
    """One row per moment (lead, as_of), in their order. For the tables see `event_table` and `version_table`."""
    database = duckdb.connect(":memory:", config={"threads": 1})
    database.register("event", events)
    database.register("version", versions)
    rows = [{"m": m, "lead": lead, "as_of": at} for m, (lead, at) in enumerate(moments)]
    database.register("moment", pa.Table.from_pylist(rows, pa.schema([(key, pa.int64()) for key in rows[0]])))
    columns = ",\n".join(f'{_sql(definition, vocabulary)} AS "{definition.name}"' for definition in catalogue)
    result = database.sql(
        f"""
        WITH valid AS (
            SELECT moment.*, event.* EXCLUDE (lead) FROM moment LEFT JOIN event
            ON event.lead = moment.lead AND event.known_at < as_of AND NOT event.superseded_at < as_of
        ),
        seen AS (
            SELECT *, {_session_columns(catalogue, vocabulary)}, {_answer_columns(catalogue, vocabulary)} FROM valid
        ),
        profile AS (
            SELECT m, arg_max(v, v.valid_from) AS p, bool_or(v.nth = 0) AS known, min(v.valid_from) AS since
            FROM moment JOIN version v ON v.lead = moment.lead
                AND (v.valid_from < as_of OR v.nth = 0 AND v.valid_from = as_of)
            GROUP BY m
        )
        SELECT {columns} FROM seen LEFT JOIN profile USING (m) GROUP BY m, as_of ORDER BY m
        """
    )
    rows = result.to_arrow_table().to_pylist()
    database.close()
    return [_plain(catalogue, row) for row in rows]


def _sql(definition: of.Definition, vocabulary: Vocabulary) -> str:
    match definition:
        case of.Count():
            return f"count(*) {_where(definition, vocabulary)}"
        case of.Sum():
            return f"coalesce({_total(definition, vocabulary)}, 0) / 10000.0::DOUBLE"
        case of.Mean():
            return f"{_total(definition, vocabulary)} / 10000.0::DOUBLE / count(value) {_where(definition, vocabulary)}"
        case of.Max():
            return f"max(round_even(value * 10000, 0) / 10000) {_where(definition, vocabulary)}"
        case of.Recency():
            return f"(as_of - max(occurred_at) {_where(definition, vocabulary)}) / {DAY}"
        case of.Age():
            return f"(as_of - least(min(occurred_at), any_value(since))) / {DAY}"
        case of.ActiveDays():
            return f"count(DISTINCT CAST(make_timestamp(occurred_at) AS DATE)) {_where(definition, vocabulary)}"
        case of.Sessions():
            return f"count(*) {_where(definition, vocabulary, f'open_{definition.events}')}"
        case of.Decayed():
            age = f"(as_of - occurred_at) / {DAY}.0::DOUBLE / {definition.half_life}"
            return f"coalesce(sum(pow(2.0::DOUBLE, -({age}))) {_where(definition, vocabulary)}, 0)"
        case of.Trend():
            short, long = (
                f"count(*) {_where(of.Count(definition.events, days), vocabulary)}"
                for days in (definition.short, definition.long)
            )
            return f"{short} / nullif({long}, 0)"
        case of.Cadence():
            where = _where(definition, vocabulary)
            span = f"(max(occurred_at) {where} - min(occurred_at) {where})"
            return f"{span} / nullif(count(*) {where} - 1, 0) / {DAY}"
        case of.FirstTouch():
            return f"first({definition.of} ORDER BY occurred_at, n) {_where(definition, vocabulary)}"
        case of.LastTouch():
            return f"first({definition.of} ORDER BY occurred_at DESC, n DESC) {_where(definition, vocabulary)}"
        case of.DistinctTypes():
            known = f"event_type IN ({_quoted(vocabulary.types)})"
            return f"count(DISTINCT event_type) {_where(of.Count(ANY, definition.days), vocabulary, known)}"
        case of.IgnoredInRow():
            late = f"(answered_{definition.answers} IS NULL OR occurred_at > answered_{definition.answers})"
            return f"count(*) {_where(of.Count(definition.contacts), vocabulary, late)}"
        case of.Profile() | of.ProfileNumber():
            return f'any_value(p."{definition.column}")'
    raise NotImplementedError(f"no SQL for {type(definition).__name__}")


def _where(definition: of.Definition, vocabulary: Vocabulary, more: str = "true") -> str:
    days = getattr(definition, "days", None)
    window = "true" if days is None else f"occurred_at >= as_of - {days} * {DAY}"
    return f"FILTER (WHERE {_matches(getattr(definition, 'events', ANY), vocabulary)} AND {window} AND {more})"


def _matches(events: str, vocabulary: Vocabulary) -> str:
    """Which rows of the join are events of a group; a moment that saw nothing has one row without an event."""
    human = "n IS NOT NULL AND NOT bot"
    if events in ("any_campaign", "any_asset"):
        return f"{human} AND {events.removeprefix('any_')} IS NOT NULL"
    return human if events == ANY else f"{human} AND event_type IN ({_quoted(vocabulary.members(events))})"


def _total(definition: of.Sum | of.Mean, vocabulary: Vocabulary) -> str:
    return f"CAST(sum(CAST(round_even(value * 10000, 0) AS HUGEINT)) {_where(definition, vocabulary)} AS DOUBLE)"


def _session_columns(catalogue: Sequence[of.Definition], vocabulary: Vocabulary) -> str:
    """Whether an event opens a session of a group: none that counts before it in the log is less than 30 min older."""
    before = "PARTITION BY m ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    groups = {definition.events for definition in catalogue if isinstance(definition, of.Sessions)}
    return (
        ", ".join(
            f"coalesce(occurred_at - max(occurred_at) FILTER (WHERE {_matches(events, vocabulary)}) OVER ({before})"
            f" > 30 * 60000000, true) AS open_{events}"
            for events in sorted(groups)
        )
        or "0"
    )


def _answer_columns(catalogue: Sequence[of.Definition], vocabulary: Vocabulary) -> str:
    groups = {definition.answers for definition in catalogue if isinstance(definition, of.IgnoredInRow)}
    return (
        ", ".join(
            f"max(occurred_at) FILTER (WHERE {_matches(events, vocabulary)}) OVER (PARTITION BY m) AS answered_{events}"
            for events in sorted(groups)
        )
        or "0"
    )


def event_table(leads: Sequence[Lead]) -> pa.Table:
    """Rows of EVENTS: lead is the place of the lead, n that of the event in its log."""
    rows = [{"lead": i, "n": n, **asdict(event)} for i, lead in enumerate(leads) for n, event in enumerate(lead.events)]
    return pa.Table.from_pylist(rows, EVENTS)


def version_table(catalogue: Sequence[of.Definition], leads: Sequence[Lead]) -> pa.Table:
    """Profile versions: lead, nth of the lead, valid_from, and the catalogue's profile columns."""
    columns = {definition.column: pa.string() for definition in catalogue if isinstance(definition, of.Profile)}
    numbers = {definition.column: pa.float64() for definition in catalogue if isinstance(definition, of.ProfileNumber)}
    rows = [
        {"lead": i, "nth": nth, "valid_from": version.valid_from, **version.values}
        for i, lead in enumerate(leads)
        for nth, version in enumerate(lead.versions)
    ]
    keys = {name: pa.int64() for name in ("lead", "nth", "valid_from")}
    return pa.Table.from_pylist(rows, pa.schema({**keys, **columns, **numbers}))


def _plain(catalogue: Sequence[of.Definition], row: dict[str, Value]) -> dict[str, Value]:
    """Numbers as floats, NaN where missing."""
    numbers = {definition.name for definition in catalogue if definition.kind == "number"}
    missing = {name: float("nan") if name in numbers else None for name in row}
    plain = {name: missing[name] if value is None else value for name, value in row.items()}
    return {name: float(value) if name in numbers else value for name, value in plain.items()}  # type: ignore[arg-type]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
