"""The door: every row of a source is checked in SQL; good ones are staged by bucket, bad ones with their reason."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import duckdb

from data.contract import VALUE_LIMIT, VALUE_SCALE
from data.log.bucket_rows import body_sql
from data.quoting import named, quoted
from data.sources.checks import name_check, number, number_check
from data.sources.mapping import EventsPart, LeadsPart, Product, TypeRule
from data.sources.source import ROW, WHY, Source, readable

NOT_GIVEN = "NULL::VARCHAR"


def stage(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    part: int,
    spec: EventsPart | LeadsPart,
    buckets: int,
    clock: int,
    out: Path,
) -> None:
    """Writes out/bucket=N/*.parquet with good rows and out/bucket=-1/*.parquet with bad ones (column `reason`).

    part: the number of the source. buckets: their number. clock: µs UTC. Raises DataError where a source ends early.
    """
    judged = _events(source, spec, clock) if isinstance(spec, EventsPart) else _leads(source, spec, clock)
    bucket = f"CASE WHEN reason IS NULL THEN (md5_number_lower(lead_id) % {buckets})::INTEGER ELSE -1 END AS bucket"
    try:
        con.execute(
            f"""COPY (SELECT {part} AS part, *, {bucket} FROM ({judged})) TO {quoted(str(out))}
            (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION lz4, APPEND, FILENAME_PATTERN '{{uuid}}')"""
        ).fetchall()
    except duckdb.Error as error:
        raise readable(error, source.name) from None


def _events(source: Source, spec: EventsPart, clock: int) -> str:
    """Events with the reason why one is refused, else null."""
    times = spec.times
    channel, origin = _constant(spec, "channel", spec.channel), _constant(spec, "source", spec.source)
    checks = [
        "why",
        name_check("lead_id", "lead_id", required=True),
        name_check("event_type", "event_type", required=True),
        *(name_check(name, name) for name in ("channel", "source", "event_id")),
        times.check("occurred_at", "occurred_text", "occurred_at", clock, required=True),
        times.check("received_at", "received_text", "received_at", clock),
        number_check("value", "value_text", "parsed_value", VALUE_LIMIT),
    ]
    return f"""WITH texts AS (SELECT {ROW} AS n, {WHY} AS why, {named(spec.lead_id)} AS lead_id,
            {_event_type(spec.event_type)} AS event_type, {channel} AS channel, {origin} AS source,
            {_event_id(spec)} AS event_id, {_text(spec.occurred_at)} AS occurred_text,
            {_text(spec.received_at)} AS received_text, {_value_text(spec)} AS value_text,
            {_value(spec)} AS parsed_value FROM {source.view}),
        parsed AS (SELECT *, {times.sql("occurred_text")} AS occurred_at, {times.sql("received_text")} AS received_at
            FROM texts),
        judged AS (SELECT *, coalesce({", ".join(checks)}) AS reason,
            round_even(parsed_value * {VALUE_SCALE}, 0) / {VALUE_SCALE} AS value FROM parsed),
        whole AS (SELECT *, {body_sql("occurred_at")} AS body FROM judged)
        SELECT n, lead_id, event_type, occurred_at, received_at, channel, value,
            coalesce(source, '') AS source, coalesce(event_id, body) AS event_id, body, reason
        FROM whole"""


def _leads(source: Source, spec: LeadsPart, clock: int) -> str:
    """Profile versions, the same way; a profile column NAME is staged as p_NAME."""
    times = spec.times
    flags = {name: f"CASE WHEN {named(column)} IS NULL THEN 'no' ELSE 'yes' END" for name, column in spec.flags.items()}
    columns = {"account_id": _text(spec.account_id)} | {name: named(name) for name in spec.categories} | flags
    columns |= {name: number(named(name), spec.decimal_comma) for name in spec.numbers}
    checks = [
        "why",
        name_check("lead_id", "lead_id", required=True),
        times.check("valid_from", "valid_text", "valid_from", clock, required=True),
        *(name_check(name, named(f"p_{name}")) for name in ("account_id", *spec.categories)),
        *(number_check(name, named(f"t_{name}"), named(f"p_{name}")) for name in spec.numbers),
    ]
    made = "".join(f", {sql} AS {named(f'p_{name}')}" for name, sql in columns.items())
    made += "".join(f", {named(name)} AS {named(f't_{name}')}" for name in spec.numbers)
    selected = "".join(f", {named(f'p_{name}')}" for name in columns)
    return f"""WITH texts AS (SELECT {ROW} AS n, {WHY} AS why, {named(spec.lead_id)} AS lead_id,
            {_text(spec.valid_from)} AS valid_text{made} FROM {source.view}),
        parsed AS (SELECT *, {times.sql("valid_text")} AS valid_from FROM texts),
        judged AS (SELECT *, coalesce({", ".join(checks)}) AS reason FROM parsed)
        SELECT n, lead_id, valid_from{selected}, reason FROM judged"""


def _text(column: str | None) -> str:
    return NOT_GIVEN if column is None else named(column)


def _constant(spec: EventsPart, name: Literal["channel", "source"], column: str | None) -> str:
    return quoted(spec.constants[name]) if column is None and name in spec.constants else _text(column)


def _event_id(spec: EventsPart) -> str:
    """One column as it stands, or several joined, null where all of them are."""
    if len(spec.id_columns) < 2:
        return _text(spec.id_columns[0] if spec.id_columns else None)
    columns = [named(column) for column in spec.id_columns]
    parts = ", ".join(f"coalesce({column}, '')" for column in columns)
    return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN concat_ws('|', {parts}) END"


def _event_type(rule: str | TypeRule) -> str:
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
    return f"nullif(concat_ws(' * ', {texts}), '')" if texts else NOT_GIVEN
