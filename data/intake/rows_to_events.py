"""A source's rows become events, profiles, identities: checked in SQL, good ones by bucket, bad ones with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from data.contract import CONTEXT, VALUE_LIMIT, VALUE_SCALE
from data.intake.clock import Clock
from data.intake.row_columns import (
    cell_columns,
    cells_sql,
    checked_name,
    given,
    id_checks,
    kept_check,
    leading,
    origin_columns,
)
from data.intake.rows_to_profiles import profile_rows
from data.intake.staged_files import GONE, LEFT_OUT, REFUSED, write_rows
from data.judging.verdicts import DATED_EVENT, EVENT, MOVES, RETRACTED
from data.log.content import BETWEEN, body_sql, content_sql, high, low
from data.quoting import named, quoted
from data.sources.checks import number, number_check, yes, yes_check
from data.sources.every_table import Product
from data.sources.source import WHY, Source, readable
from data.sources.tables import EventsPart, FilledColumn, IdentitiesPart, LeadsPart, Table


def stage(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    part: int,
    spec: Table,
    buckets: int,
    times: Clock,
    out: Path,
) -> None:
    """Writes out/bucket=N/*.parquet with good rows (`cells`: what was wrong with those that count as missing), with
    those that are REFUSED (`reason`), and LEFT_OUT. Where rows have an origin, it is in `file` and `file_row`.

    part: the number of the source. buckets: their number. Raises DataError where a source ends early.
    """
    if isinstance(spec, EventsPart):
        judged = _events(source, spec, times)
    else:
        judged = profile_rows(source, spec, times) if isinstance(spec, LeadsPart) else _identities(source, spec, times)
    gone = f"WHEN gone THEN {GONE}" if isinstance(spec, LeadsPart) else ""
    bucket = f"""CASE WHEN is_left_out THEN {LEFT_OUT} WHEN reason IS NOT NULL THEN {REFUSED} {gone}
        ELSE (lead_hash % {buckets})::INTEGER END AS bucket"""
    try:
        write_rows(con.sql(f"SELECT {part} AS part, * EXCLUDE (is_left_out), {bucket} FROM ({judged})"), out)
    except duckdb.Error as error:
        raise readable(error, source.name) from None


def _events(source: Source, spec: EventsPart, clock: Clock) -> str:
    """Events with the reason why one is refused, else null.

    Rows in which the time of an event is empty, where that takes it back, have negative numbers.
    """
    times = spec.times
    channel, origin = _constant(spec, "channel", spec.channel), _constant(spec, "source", spec.source)
    is_wide, takes_back = isinstance(spec, FilledColumn), spec.emptied == "retracted" and clock.takes_back
    emptied = f"({WHY} IS NULL AND {given(spec.occurred_at)} IS NULL)" if is_wide else "false"
    checks = [
        "why",
        checked_name("lead_id", "lead_id", required=True),
        *id_checks(spec, "lead_id", spec.lead_id),
        checked_name("event_type", "event_type", required=True),
        *(checked_name(name, name) for name in ("source", "event_id", "deal_id")),
        *id_checks(spec, "event_id", *spec.id_columns),
        *id_checks(spec, "deal_id", spec.deal_id),
        times.check("occurred_at", "occurred_text", "occurred_at", clock.now, required=not is_wide),
        times.check("received_at", "received_text", "received_at", clock.now),
        yes_check("retracted", "retracted_text"),
    ]
    named_cells = {"channel": spec.channel, "campaign": spec.campaign, "asset": spec.asset}
    cells = {
        **{name: _name_cell(spec, name, column) for name, column in named_cells.items()},
        "value": number_check("value", "value_text", "parsed_value", spec.decimal_comma, VALUE_LIMIT),
    }
    return f"""WITH texts AS (SELECT {leading(source, spec, _own_words(spec))}, {named(spec.lead_id)} AS lead_id,
            {_event_type(spec)} AS event_type, {channel} AS channel, {origin} AS source,
            {given(spec.campaign)} AS campaign, {given(spec.asset)} AS asset,
            {_event_id(spec)} AS event_id, {given(spec.occurred_at)} AS occurred_text,
            CASE WHEN NOT {emptied} THEN {given(spec.received_at)} END AS received_text,
            {_value_text(spec)} AS value_text, {_value(spec)} AS parsed_value,
            {given(spec.retracted)} AS retracted_text, {given(spec.deal_id)} AS deal_id,
            {emptied} AS emptied FROM {source.view} {"" if takes_back else f"WHERE NOT {emptied}"}),
        parsed AS (SELECT *, {times.sql("received_text")} AS received_at, {cell_columns(cells)},
            CASE WHEN emptied THEN {clock.as_of} ELSE {times.sql("occurred_text")} END AS occurred_at FROM texts),
        judged AS (SELECT * EXCLUDE (source, {", ".join(named_cells)}, is_left_out),
            coalesce({", ".join(checks)}) AS reason,
            coalesce(source, '') AS source,
            {", ".join(f"CASE WHEN bad_{name} IS NULL THEN {name} END AS {name}" for name in named_cells)},
            CASE WHEN bad_value IS NULL THEN round_even(parsed_value * {VALUE_SCALE}, 0) / {VALUE_SCALE} END AS value,
            greatest(occurred_at, coalesce(received_at, occurred_at)) AS known_at, {cells_sql(cells)} AS cells,
            is_left_out OR coalesce(event_type = '', false) AS is_left_out, {yes("retracted_text")} AS retracted,
            {high("deal_id")} AS deal FROM parsed),
        whole AS (SELECT * EXCLUDE (n, event_id, retracted, is_left_out, is_plain), emptied OR retracted AS retracted,
            CASE WHEN emptied THEN -n ELSE n END AS n, is_left_out OR (emptied AND reason IS NOT NULL) AS is_left_out,
            coalesce(event_id, {body_sql("occurred_at", "deal", CONTEXT)}) AS event_id FROM judged),
        sorted AS (SELECT *, CASE WHEN received_at IS NULL THEN {EVENT} ELSE {DATED_EVENT} END AS sort FROM whole)
        {KEYED}, is_left_out{origin_columns(source)}
        FROM (SELECT *, concat_ws('{BETWEEN}', source, event_id) AS key FROM sorted)"""


KEYED = f"""SELECT n, lead_id, event_type, occurred_at, known_at, channel, value, source, event_id, deal,
    {", ".join(CONTEXT)}, retracted,
    {high("key")} AS high, {low("key")} AS low, {high("lead_id")} AS lead_hash,
    CASE WHEN retracted THEN {RETRACTED}::UBIGINT ELSE {content_sql("occurred_at", "deal", CONTEXT)} END AS content,
    sort::TINYINT AS sort, reason, cells"""


def stage_moving(con: duckdb.DuckDBPyConnection, events: pa.Table, buckets: int, out: Path) -> None:
    """Stages events of the log that may be another lead's from now on; see `aliases.events_that_move`."""
    for name, kind in {"deal": pa.uint64(), **dict.fromkeys(CONTEXT, pa.string())}.items():
        if name not in events.column_names:
            events = events.append_column(name, pa.nulls(len(events), kind))
    con.register("moving", events)
    rows = f"""SELECT *, false AS retracted, NULL::VARCHAR AS reason, NULL::VARCHAR AS cells, {MOVES} AS sort,
        concat_ws('{BETWEEN}', source, event_id) AS key FROM moving"""
    whole = f"SELECT -1 AS part, *, (lead_hash % {buckets})::INTEGER AS bucket FROM ({KEYED} FROM ({rows}))"
    write_rows(con.sql(whole), out)
    con.unregister("moving")


def stage_held(con: duckdb.DuckDBPyConnection, buckets: int, out: Path) -> None:
    """Stages what goes into the log otherwise than as a row says, by the table `held` (staged_verdicts.py)."""
    rows = f"""SELECT coalesce(holder_id, lead_id) AS lead_id, held.known AS known_at, occurred_at, event_type,
            channel, value, source, event_id, deal, {", ".join(CONTEXT)}, superseded,
            (holder % {buckets})::INTEGER AS bucket
        FROM held JOIN staged_events USING (part, n)"""
    write_rows(con.sql(rows), out)


def _identities(source: Source, spec: IdentitiesPart, clock: Clock) -> str:
    times = spec.times
    checks = [
        "why",
        checked_name("alias", "alias", required=True),
        *id_checks(spec, "alias", spec.alias),
        checked_name("lead_id", "lead_id", required=True),
        *id_checks(spec, "lead_id", spec.lead_id),
        times.check("valid_from", "valid_text", "valid_from", clock.now, required=True),
        times.check("valid_until", "until_text", "valid_until", clock.now),
        "CASE WHEN valid_until <= valid_from THEN 'valid_until does not lie behind valid_from' END",
    ]
    return f"""WITH texts AS (SELECT {leading(source, spec)}, {named(spec.alias)} AS alias,
            {named(spec.lead_id)} AS lead_id, {named(spec.valid_from)} AS valid_text,
            {given(spec.valid_until)} AS until_text FROM {source.view}),
        parsed AS (SELECT *, {times.sql("valid_text")} AS valid_from, {times.sql("until_text")} AS valid_until
            FROM texts)
        SELECT n, alias, lead_id, valid_from, valid_until, 0::UBIGINT AS lead_hash,
            coalesce({", ".join(checks)}) AS reason, is_left_out{origin_columns(source)} FROM parsed"""


def _constant(spec: EventsPart, name: Literal["channel", "source"], column: str | None) -> str:
    return quoted(spec.constants[name]) if column is None and name in spec.constants else given(column)


def _name_cell(spec: EventsPart, name: str, column: str | None) -> str:
    """What is wrong with a name that an event does without where it is none."""
    return f"coalesce({', '.join([checked_name(name, name), *kept_check(spec, name, column)])}, NULL)"


def _event_id(spec: EventsPart) -> str:
    """One column as it stands, or several joined, null where all of them are."""
    columns = [named(column) for column in spec.id_columns]
    if isinstance(spec, FilledColumn):
        return f"concat_ws('|', {', '.join([*columns, quoted(spec.occurred_at or '')])})"
    if len(columns) < 2:
        return columns[0] if columns else given(None)
    parts = ", ".join(f"coalesce({column}, '')" for column in columns)
    return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN concat_ws('|', {parts}) END"


def _own_words(spec: EventsPart) -> list[str]:
    """What the mapping itself puts into names."""
    rule = spec.event_type
    of_rule = [] if rule is None or isinstance(rule, str) else [*rule.values.values(), *rule.prefixes.values()]
    otherwise = None if rule is None or isinstance(rule, str) else rule.otherwise
    return [*spec.constants.values(), *of_rule, otherwise or "", spec.occurred_at or ""]


def _event_type(spec: EventsPart) -> str:
    rule = spec.event_type
    if rule is None:
        return quoted(spec.constants["event_type"])
    if isinstance(rule, str):
        return named(rule)
    joined = f"nullif(concat_ws(' ', {', '.join(named(column) for column in rule.columns)}), '')"
    cases = [f"WHEN {joined} = {quoted(key)} THEN {quoted(value)}" for key, value in rule.values.items()]
    cases += [f"WHEN starts_with({joined}, {quoted(key)}) THEN {quoted(value)}" for key, value in rule.prefixes.items()]
    other = f"CASE WHEN {joined} IS NULL THEN NULL ELSE {quoted(rule.otherwise)} END" if rule.otherwise else joined
    return f"CASE {' '.join(cases)} ELSE {other} END" if cases else other


def _value_columns(spec: EventsPart) -> list[str]:
    return list(spec.value.multiply) if isinstance(spec.value, Product) else [spec.value] if spec.value else []


def _value(spec: EventsPart) -> str:
    return " * ".join(number(named(column), spec.decimal_comma) for column in _value_columns(spec)) or "NULL::DOUBLE"


def _value_text(spec: EventsPart) -> str:
    texts = ", ".join(named(column) for column in _value_columns(spec))
    return f"nullif(concat_ws(' * ', {texts}), '')" if texts else given(None)
