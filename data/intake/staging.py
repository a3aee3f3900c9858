"""The door: every row of a source is checked in SQL; good ones are staged by bucket, bad ones with their reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from data.contract import VALUE_LIMIT, VALUE_SCALE
from data.intake.row_columns import cell_columns, cells_sql, id_checks, kept_check, leading, origin_columns
from data.intake.verdicts import CREATION, DATED_EVENT, EVENT, MOVES, RETRACTED, STATE, VERSION
from data.log.content import BETWEEN, body_sql, content_sql, high, low, profile_sql
from data.quoting import named, quoted
from data.sources.checks import name_check, number, number_check, yes, yes_check
from data.sources.every_table import Product
from data.sources.source import WHY, Source, readable
from data.sources.tables import EventsPart, FilledColumn, IdentitiesPart, LeadsPart, Table

NOT_GIVEN = "NULL::VARCHAR"
REFUSED, LEFT_OUT, GONE = -1, -2, -3
"""Buckets of rows that are not accepted, that a mapping leaves out, and that say that a lead is gone."""
KEYS = """0 AS part, 0::BIGINT AS n, '' AS lead_id, 0::UBIGINT AS high, 0::UBIGINT AS low, 0::UBIGINT AS content,
    0::UBIGINT AS lead_hash, 0::BIGINT AS known, 0::TINYINT AS sort, 0::BIGINT AS bucket"""
NOTHING_STAGED = {
    "events": f"""{KEYS}, '' AS event_type, 0::BIGINT AS occurred_at, 0::BIGINT AS known_at, '' AS channel,
        0.0::DOUBLE AS value, '' AS source, '' AS event_id, 0::UBIGINT AS deal, false AS retracted""",
    "held": """'' AS lead_id, 0::BIGINT AS known_at, 0::BIGINT AS occurred_at, '' AS event_type, '' AS channel,
        0.0::DOUBLE AS value, '' AS source, '' AS event_id, 0::UBIGINT AS deal, 0::BIGINT AS superseded,
        0::BIGINT AS bucket""",
    "leads": f"{KEYS}, 0::BIGINT AS valid_from, '' AS p_account_id",
}
"""The columns of what is staged, where nothing is."""


@dataclass(frozen=True)
class Clock:
    """The clock of an ingest and the time of its export, µs UTC. stated: whether that was stated rather than taken from
    the clock. takes_back: whether what its rows do not have any more is taken back."""

    now: int
    as_of: int
    stated: bool
    takes_back: bool = False


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
        judged = _leads(source, spec, times) if isinstance(spec, LeadsPart) else _identities(source, spec, times)
    gone = f"WHEN gone THEN {GONE}" if isinstance(spec, LeadsPart) else ""
    bucket = f"""CASE WHEN is_left_out THEN {LEFT_OUT} WHEN reason IS NOT NULL THEN {REFUSED} {gone}
        ELSE (lead_hash % {buckets})::INTEGER END AS bucket"""
    try:
        con.execute(
            f"COPY (SELECT {part} AS part, * EXCLUDE (is_left_out), {bucket} FROM ({judged})) TO {_folder(out)}"
        ).fetchall()
    except duckdb.Error as error:
        raise readable(error, source.name) from None


def staged_rows(staging: Path, kind: str, bucket: int | None = None) -> str:
    """SQL for the good rows of a kind (events, held, leads), of one bucket or of all."""
    folder = "bucket=[0-9]*" if bucket is None else f"bucket={bucket}"
    if not any((staging / kind).glob(folder)):
        return f"(SELECT {NOTHING_STAGED[kind]} WHERE false)"
    files = quoted(str(staging / kind / folder / "*.parquet"))
    return f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"


def gone_rows(staging: Path) -> str:
    """SQL for the rows that say that a lead is gone: its hash, and since when."""
    if not any((staging / "leads").glob(f"bucket={GONE}")):
        return "(SELECT 0::UBIGINT AS lead_hash, 0::BIGINT AS valid_from WHERE false)"
    return f"read_parquet({quoted(str(staging / 'leads' / f'bucket={GONE}' / '*.parquet'))})"


def _events(source: Source, spec: EventsPart, clock: Clock) -> str:
    """Events with the reason why one is refused, else null.

    Rows in which the time of an event is empty, where that takes it back, have negative numbers.
    """
    times = spec.times
    channel, origin = _constant(spec, "channel", spec.channel), _constant(spec, "source", spec.source)
    is_wide, takes_back = isinstance(spec, FilledColumn), spec.emptied == "retracted" and clock.takes_back
    emptied = f"({WHY} IS NULL AND {_text(spec.occurred_at)} IS NULL)" if is_wide else "false"
    checks = [
        "why",
        name_check("lead_id", "lead_id", required=True),
        *id_checks(spec, "lead_id", spec.lead_id),
        name_check("event_type", "event_type", required=True),
        *(name_check(name, name) for name in ("source", "event_id", "deal_id")),
        *id_checks(spec, "event_id", *spec.id_columns),
        times.check("occurred_at", "occurred_text", "occurred_at", clock.now, required=not is_wide),
        times.check("received_at", "received_text", "received_at", clock.now),
        yes_check("retracted", "retracted_text"),
    ]
    channels = [name_check("channel", "channel"), *kept_check(spec, "channel", spec.channel)]
    cells = {
        "channel": f"coalesce({', '.join(channels)}, NULL)",
        "value": number_check("value", "value_text", "parsed_value", VALUE_LIMIT),
    }
    return f"""WITH texts AS (SELECT {leading(source, spec)}, {named(spec.lead_id)} AS lead_id,
            {_event_type(spec)} AS event_type, {channel} AS channel, {origin} AS source,
            {_event_id(spec)} AS event_id, {_text(spec.occurred_at)} AS occurred_text,
            CASE WHEN NOT {emptied} THEN {_text(spec.received_at)} END AS received_text,
            {_value_text(spec)} AS value_text, {_value(spec)} AS parsed_value,
            {_text(spec.retracted)} AS retracted_text, {_text(spec.deal_id)} AS deal_id,
            {emptied} AS emptied FROM {source.view} {"" if takes_back else f"WHERE NOT {emptied}"}),
        parsed AS (SELECT *, {times.sql("received_text")} AS received_at, {cell_columns(cells)},
            CASE WHEN emptied THEN {clock.as_of} ELSE {times.sql("occurred_text")} END AS occurred_at FROM texts),
        judged AS (SELECT * EXCLUDE (source, channel, is_left_out), coalesce({", ".join(checks)}) AS reason,
            coalesce(source, '') AS source, CASE WHEN bad_channel IS NULL THEN channel END AS channel,
            CASE WHEN bad_value IS NULL THEN round_even(parsed_value * {VALUE_SCALE}, 0) / {VALUE_SCALE} END AS value,
            greatest(occurred_at, coalesce(received_at, occurred_at)) AS known_at, {cells_sql(cells)} AS cells,
            is_left_out OR coalesce(event_type = '', false) AS is_left_out, {yes("retracted_text")} AS retracted,
            {high("deal_id")} AS deal FROM parsed),
        whole AS (SELECT * EXCLUDE (n, event_id, retracted, is_left_out), emptied OR retracted AS retracted,
            CASE WHEN emptied THEN -n ELSE n END AS n, is_left_out OR (emptied AND reason IS NOT NULL) AS is_left_out,
            coalesce(event_id, {body_sql("occurred_at", "deal")}) AS event_id FROM judged),
        sorted AS (SELECT *, CASE WHEN received_at IS NULL THEN {EVENT} ELSE {DATED_EVENT} END AS sort FROM whole)
        {KEYED}, is_left_out{origin_columns(source)}
        FROM (SELECT *, concat_ws('{BETWEEN}', source, event_id) AS key FROM sorted)"""


KEYED = f"""SELECT n, lead_id, event_type, occurred_at, known_at, channel, value, source, event_id, deal, retracted,
    {high("key")} AS high, {low("key")} AS low, {high("lead_id")} AS lead_hash, known_at AS known,
    CASE WHEN retracted THEN {RETRACTED}::UBIGINT ELSE {content_sql("occurred_at", "deal")} END AS content,
    sort::TINYINT AS sort, reason, cells"""


def stage_moving(con: duckdb.DuckDBPyConnection, events: pa.Table, buckets: int, out: Path) -> None:
    """Stages events of the log that may be another lead's from now on; see `aliases.events_that_move`."""
    if "deal" not in events.column_names:
        events = events.append_column("deal", pa.nulls(len(events), pa.uint64()))
    con.register("moving", events)
    rows = f"""SELECT *, false AS retracted, NULL::VARCHAR AS reason, NULL::VARCHAR AS cells, {MOVES} AS sort,
        concat_ws('{BETWEEN}', source, event_id) AS key FROM moving"""
    whole = f"SELECT -1 AS part, *, (lead_hash % {buckets})::INTEGER AS bucket FROM ({KEYED} FROM ({rows}))"
    con.execute(f"COPY ({whole}) TO {_folder(out)}")
    con.unregister("moving")


def stage_held(con: duckdb.DuckDBPyConnection, buckets: int, out: Path) -> None:
    """Stages what goes into the log otherwise than as a row says, by the table `held` (staged_verdicts.py)."""
    con.execute(
        f"""COPY (SELECT coalesce(holder_id, lead_id) AS lead_id, held.known AS known_at, occurred_at, event_type,
            channel, value, source, event_id, deal, superseded, (holder % {buckets})::INTEGER AS bucket
        FROM held JOIN staged_events USING (part, n)) TO {_folder(out)}"""
    )


def _folder(out: Path) -> str:
    return f"""{quoted(str(out))}
        (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION lz4, APPEND, FILENAME_PATTERN '{{uuid}}')"""


def _identities(source: Source, spec: IdentitiesPart, clock: Clock) -> str:
    times = spec.times
    checks = [
        "why",
        name_check("alias", "alias", required=True),
        *id_checks(spec, "alias", spec.alias),
        name_check("lead_id", "lead_id", required=True),
        *id_checks(spec, "lead_id", spec.lead_id),
        times.check("valid_from", "valid_text", "valid_from", clock.now, required=True),
        times.check("valid_until", "until_text", "valid_until", clock.now),
        "CASE WHEN valid_until <= valid_from THEN 'valid_until does not lie behind valid_from' END",
    ]
    return f"""WITH texts AS (SELECT {leading(source, spec)}, {named(spec.alias)} AS alias,
            {named(spec.lead_id)} AS lead_id, {named(spec.valid_from)} AS valid_text,
            {_text(spec.valid_until)} AS until_text FROM {source.view}),
        parsed AS (SELECT *, {times.sql("valid_text")} AS valid_from, {times.sql("until_text")} AS valid_until
            FROM texts)
        SELECT n, alias, lead_id, valid_from, valid_until, 0::UBIGINT AS lead_hash,
            coalesce({", ".join(checks)}) AS reason, is_left_out{origin_columns(source)} FROM parsed"""


def _leads(source: Source, spec: LeadsPart, clock: Clock) -> str:
    """Profile versions, the same way; a profile column NAME is staged as p_NAME."""
    times = spec.times
    flags = {name: f"CASE WHEN {named(column)} IS NULL THEN 'no' ELSE 'yes' END" for name, column in spec.flags.items()}
    columns = {"account_id": _text(spec.account_id)} | {spec.called(name): named(name) for name in spec.categories}
    columns |= flags | {spec.called(name): number(named(name), spec.decimal_comma) for name in spec.numbers}
    checks = [
        "why",
        name_check("lead_id", "lead_id", required=True),
        *id_checks(spec, "lead_id", spec.lead_id),
        times.check("valid_from", "valid_text", "valid_from", clock.now, required=not spec.snapshot),
        yes_check("deleted", "deleted_text"),
    ]
    cells = _profile_cells(spec) | {"created_at": times.check("created_at", "created_text", "created_at", clock.now)}
    made = "".join(f", {sql} AS {named(f'p_{name}')}" for name, sql in columns.items())
    made += "".join(f", {named(name)} AS {named(f't_{spec.called(name)}')}" for name in spec.numbers)
    bad = {name: f"CASE WHEN {named(f'bad_{name}')} IS NULL THEN {named(f'p_{name}')} END" for name in cells}
    good = "".join(f", {bad[name]} AS {named(f'p_{name}')}" for name in columns if name in cells)
    replaced = "".join(f", {named(f'p_{name}')}" for name in columns if name in cells)
    selected = "".join(f", {named(f'p_{name}')}" for name in columns)
    own = f"""SELECT n, lead_id, coalesce(valid_from, {clock.as_of}) AS valid_from{selected}, reason, cells,
        is_left_out, {yes("deleted_text")} AS gone{origin_columns(source)} FROM judged"""
    rows = f"SELECT *, {STATE if spec.snapshot else VERSION}::TINYINT AS sort FROM ({own})"
    if spec.created_at is not None:
        rows += f" UNION ALL BY NAME {_creation(spec, columns, clock.as_of)}"
    content = profile_sql((name, named(f"p_{name}")) for name in columns)
    return f"""WITH texts AS (SELECT {leading(source, spec)}, {named(spec.lead_id)} AS lead_id,
            {_text(spec.valid_from or spec.exported_at)} AS valid_text, {_text(spec.created_at)} AS created_text,
            {_text(spec.deleted)} AS deleted_text{made} FROM {source.view}),
        parsed AS (SELECT *, {times.sql("valid_text")} AS valid_from, {times.sql("created_text")} AS created_at
            FROM texts),
        checked AS (SELECT *, {cell_columns(cells)} FROM parsed),
        judged AS (SELECT * EXCLUDE (created_at{replaced}){good},
            CASE WHEN bad_created_at IS NULL THEN created_at END AS created_at,
            coalesce({", ".join(checks)}) AS reason, {cells_sql(cells)} AS cells FROM checked), rows AS ({rows})
        SELECT *, valid_from AS known, {high("lead_id")} AS high, {low("lead_id")} AS low,
            {high("lead_id")} AS lead_hash, {content} AS content FROM rows"""


def _profile_cells(spec: LeadsPart) -> dict[str, str]:
    """What may be wrong with a cell of a profile, by the name of its column."""
    cells = {"account_id": [name_check("account_id", "p_account_id"), *id_checks(spec, "account_id", spec.account_id)]}
    for column in spec.categories:
        name = spec.called(column)
        cells[name] = [name_check(name, named(f"p_{name}")), *kept_check(spec, name, column, named(f"p_{name}"))]
    return {name: f"coalesce({', '.join(checks)}, NULL)" for name, checks in cells.items()} | {
        name: number_check(name, named(f"t_{name}"), named(f"p_{name}")) for name in map(spec.called, spec.numbers)
    }


def _creation(spec: LeadsPart, columns: Collection[str], as_of: int) -> str:
    """What a state says about the creation of its lead: the columns that never change. Row numbers are negative.

    Only where that was before the state: of a lead that was created today, a date alone means the end of today.
    """
    known = {spec.called(name) for name in spec.unchanging}
    selected = "".join(
        f", {named(f'p_{name}')}" if name in known else f", NULL AS {named(f'p_{name}')}" for name in columns
    )
    return f"""SELECT -n AS n, lead_id, created_at AS valid_from{selected}, false AS is_left_out, false AS gone,
        {CREATION}::TINYINT AS sort FROM judged
        WHERE reason IS NULL AND NOT is_left_out AND created_at < coalesce(valid_from, {as_of})"""


def _text(column: str | None) -> str:
    return NOT_GIVEN if column is None else named(column)


def _constant(spec: EventsPart, name: Literal["channel", "source"], column: str | None) -> str:
    return quoted(spec.constants[name]) if column is None and name in spec.constants else _text(column)


def _event_id(spec: EventsPart) -> str:
    """One column as it stands, or several joined, null where all of them are."""
    columns = [named(column) for column in spec.id_columns]
    if isinstance(spec, FilledColumn):
        return f"concat_ws('|', {', '.join([*columns, quoted(spec.occurred_at or '')])})"
    if len(columns) < 2:
        return columns[0] if columns else NOT_GIVEN
    parts = ", ".join(f"coalesce({column}, '')" for column in columns)
    return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN concat_ws('|', {parts}) END"


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
    return f"nullif(concat_ws(' * ', {texts}), '')" if texts else NOT_GIVEN
