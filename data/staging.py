"""The door: every row of a source is checked in SQL; good ones are staged by bucket, bad ones with their reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import AHEAD, NAME_LIMIT, US_PER_SECOND, VALUE_LIMIT, VALUE_SCALE, UsageError
from data.mapping import EventsPart, LeadsPart, Product, Shared, TypeRule
from data.sources import Source, named, quoted, readable

REJECTED = pa.schema([("source", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
ZONED = r"(Z|[+-]\d{2}(:?\d{2})?)$"


def stage_events(
    con: duckdb.DuckDBPyConnection, source: Source, part: int, spec: EventsPart, buckets: int, clock: int, out: Path
) -> None:
    """Writes out/bucket=N/*.parquet with good rows and out/bucket=-1/*.parquet with bad ones (column `reason`)."""
    lead, kind = named(spec.lead_id), _event_type(spec.event_type)
    channel, origin = (_constant(spec, name, getattr(spec, name)) for name in ("channel", "source"))
    occurred, received = _time(spec, spec.occurred_at), _time(spec, spec.received_at)
    value = _value(spec)
    checks = [
        "broken",
        _name_check("lead_id", "lead_id", required=True),
        _name_check("event_type", "event_type", required=True),
        *(_name_check(name, name) for name in ("channel", "source", "event_id")),
        *_time_checks("occurred_at", "occurred_text", "occurred_at", clock, required=True),
        *_time_checks("received_at", "received_text", "received_at", clock),
        *_value_checks(spec),
    ]
    parsed = f"""SELECT n, broken, {lead} AS lead_id, {kind} AS event_type,
        {channel} AS channel, {origin} AS source, {_event_id(spec)} AS event_id,
        {_raw(spec.occurred_at)} AS occurred_text, {_raw(spec.received_at)} AS received_text,
        {_raw_value(spec)} AS value_text, {occurred} AS occurred_at, {received} AS received_at, {value} AS parsed_value
        FROM {source.view}"""
    _copy(
        con,
        source,
        f"""WITH parsed AS ({parsed}), judged AS (SELECT *, coalesce({", ".join(checks)}) AS reason,
            round_even(parsed_value * {VALUE_SCALE}, 0) / {VALUE_SCALE} AS value FROM parsed),
        whole AS (SELECT *, md5(concat_ws('\x1f', lead_id, event_type, occurred_at, coalesce(channel, '\x1e'),
            coalesce(value::VARCHAR, '\x1e'))) AS body FROM judged)
        SELECT {part} AS part, n, lead_id, event_type, occurred_at, received_at, channel, value,
            coalesce(source, '') AS source, coalesce(event_id, body) AS event_id, body, reason,
            CASE WHEN reason IS NULL THEN {_bucket("lead_id", buckets)} ELSE -1 END AS bucket FROM whole""",
        out,
    )
    _stage_unsplit(con, part, out)


def stage_leads(
    con: duckdb.DuckDBPyConnection, source: Source, part: int, spec: LeadsPart, buckets: int, clock: int, out: Path
) -> None:
    """The same for profile versions; profile columns keep their names."""
    flags = {name: f"CASE WHEN {named(column)} IS NULL THEN 'no' ELSE 'yes' END" for name, column in spec.flags.items()}
    categories = {name: named(name) for name in spec.categories} | flags
    numbers = {name: _number(spec, named(name)) for name in spec.numbers}
    columns = {"account_id": _raw(spec.account_id), **categories, **numbers}
    checks = [
        "broken",
        _name_check("lead_id", "lead_id", required=True),
        *_time_checks("valid_from", "valid_text", "valid_from", clock, required=True),
        *(_name_check(name, named(f"p_{name}")) for name in ("account_id", *spec.categories)),
        *(_number_check(name, f"t_{name}", f"p_{name}") for name in numbers),
    ]
    made = ", ".join(f"{sql} AS {named(f'p_{name}')}" for name, sql in columns.items())
    texts = "".join(f", {_raw(name)} AS {named(f't_{name}')}" for name in numbers)
    parsed = f"""SELECT n, broken, {named(spec.lead_id)} AS lead_id,
        {_raw(spec.valid_from)} AS valid_text, {_time(spec, spec.valid_from)} AS valid_from, {made}{texts}
        FROM {source.view}"""
    body = ", ".join(f"coalesce({named(f'p_{name}')}::VARCHAR, '\x1e')" for name in columns)
    kept = ", ".join(f"{named(f'p_{name}')}" for name in columns)
    _copy(
        con,
        source,
        f"""WITH parsed AS ({parsed}), judged AS (SELECT *, coalesce({", ".join(checks)}) AS reason FROM parsed)
        SELECT {part} AS part, n, lead_id, valid_from, {kept}, md5(concat_ws('\x1f', {body})) AS body, reason,
            CASE WHEN reason IS NULL THEN {_bucket("lead_id", buckets)} ELSE -1 END AS bucket FROM judged""",
        out,
    )
    _stage_unsplit(con, part, out)


Conflicts = Sequence[tuple[int, int, str]]


def rejected_rows(
    con: duckdb.DuckDBPyConnection, staged: Path, names: Sequence[str], conflicts: Conflicts = ()
) -> pa.Table:
    """Rejected rows of a staging folder, and rows left out in a conflict: name of the source, row in it, reason."""
    tables = [_rejected_of(con, staged, part, name, conflicts) for part, name in enumerate(names)]
    return pa.concat_tables([REJECTED.empty_table(), *tables])


def _rejected_of(con: duckdb.DuckDBPyConnection, staged: Path, part: int, name: str, conflicts: Conflicts) -> pa.Table:
    unsplit = pq.read_table(staged / f"unsplit-{part}.parquet")
    lines = unsplit.column("row").to_numpy()
    found = [(row, reason) for of, row, reason in conflicts if of == part]
    if (staged / "bucket=-1").exists():
        files = quoted(str(staged / "bucket=-1" / "*.parquet"))
        found += con.execute(f"SELECT n, reason FROM read_parquet({files}) WHERE part = {part}").fetchall()
    numbers = np.array([row for row, _ in found], dtype=np.int64)
    # Numbers count only the lines that could be split into columns: the others before each of them are added.
    rows = numbers + np.searchsorted(lines - np.arange(len(lines)), numbers, side="right")
    reasons = [reason for _, reason in found] + unsplit.column("reason").to_pylist()
    columns = [
        pa.array([name] * len(reasons), pa.string()),
        pa.array([*rows.tolist(), *lines.tolist()], pa.int64()),
        pa.array(reasons, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=REJECTED).sort_by("row")


def _stage_unsplit(con: duckdb.DuckDBPyConnection, part: int, out: Path) -> None:
    """Keeps DuckDB's list of lines that could not be split into columns; row 1 is the line below the header."""
    known = con.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall()[0][0]
    query = "SELECT NULL::BIGINT AS row, '' AS reason WHERE false"
    if known:
        query = """SELECT (line - 1)::BIGINT AS row, any_value(CASE error_type
            WHEN 'MISSING COLUMNS' THEN 'the line has too few fields'
            WHEN 'TOO MANY COLUMNS' THEN 'the line has too many fields'
            WHEN 'UNQUOTED VALUE' THEN 'a quote is opened and never closed; all that follows was skipped'
            WHEN 'LINE SIZE OVER MAXIMUM' THEN 'the line is longer than 2 MB'
            WHEN 'INVALID ENCODING' THEN 'the line is no UTF-8'
            ELSE 'the line cannot be read: ' || lower(error_type::VARCHAR) END) AS reason
            FROM reject_errors GROUP BY line ORDER BY line"""
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(con.sql(query).to_arrow_table(), out / f"unsplit-{part}.parquet")
    if known:
        con.execute("DELETE FROM reject_errors; DELETE FROM reject_scans")


def _copy(con: duckdb.DuckDBPyConnection, source: Source, query: str, out: Path) -> None:
    try:
        con.execute(
            f"""COPY ({query}) TO {quoted(str(out))} (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION lz4,
            APPEND, FILENAME_PATTERN '{{uuid}}')"""
        ).fetchall()
    except duckdb.Error as error:
        raise readable(error, source.name) from None


def _bucket(column: str, buckets: int) -> str:
    return f"(md5_number_lower({column}) % {buckets})::INTEGER"


def _raw(column: str | None) -> str:
    return "NULL::VARCHAR" if column is None else named(column)


def _constant(spec: EventsPart, name: str, column: str | None) -> str:
    if column is not None:
        return named(column)
    return quoted(spec.constants[name]) if name in spec.constants else "NULL::VARCHAR"


def _event_id(spec: EventsPart) -> str:
    """One column as it stands, or several joined."""
    if not isinstance(spec.event_id, tuple):
        return _constant(spec, "event_id", spec.event_id)
    parts = ", ".join(f"coalesce({named(column)}, '')" for column in spec.id_columns)
    return f"concat_ws('|', {parts})"


def _event_type(rule: str | TypeRule) -> str:
    if isinstance(rule, str):
        return named(rule)
    joined = f"nullif(concat_ws(' ', {', '.join(named(column) for column in rule.columns)}), '')"
    cases = [f"WHEN {joined} = {quoted(key)} THEN {quoted(value)}" for key, value in rule.values.items()]
    cases += [f"WHEN starts_with({joined}, {quoted(key)}) THEN {quoted(value)}" for key, value in rule.prefixes.items()]
    other = f"CASE WHEN {joined} IS NULL THEN NULL ELSE {quoted(rule.otherwise)} END" if rule.otherwise else joined
    return f"CASE {' '.join(cases)} ELSE {other} END" if cases else other


def _time(spec: Shared, column: str | None) -> str:
    """µs UTC of a text column, null where it is none. A time within a repeated hour means its first pass."""
    if column is None:
        return "NULL::BIGINT"
    text = named(column)
    if spec.time_format in ("epoch_s", "epoch_ms"):
        scale = US_PER_SECOND if spec.time_format == "epoch_s" else 1000
        return f"try_cast(round(try_cast({text} AS DECIMAL(30, 6)) * {scale}) AS BIGINT)"
    plain = (
        f"try_strptime({text}, {quoted(spec.time_format)})" if spec.time_format else f"try_cast({text} AS TIMESTAMP)"
    )
    aware = f"epoch_us(try_cast({text} AS TIMESTAMPTZ))"
    naive = "NULL" if spec.time_zone is None else f"epoch_us(timezone({quoted(_zone(spec.time_zone))}, {plain}))"
    finite = f"NOT regexp_matches({text}, '(?i)infinity')"
    return f"CASE WHEN {finite} AND regexp_matches({text}, {quoted(ZONED)}) THEN {aware} WHEN {finite} THEN {naive} END"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"time_zone {name!r} is no IANA time zone; write one like Europe/Berlin") from None
    return name


def _number(spec: Shared, text: str) -> str:
    return f"try_cast({_decimal(spec, text)} AS DOUBLE)"


def _decimal(spec: Shared, text: str) -> str:
    return f"replace(replace({text}, '.', ''), ',', '.')" if spec.decimal_comma else text


def _value(spec: EventsPart) -> str:
    if spec.value is None:
        return "NULL::DOUBLE"
    columns = [spec.value] if isinstance(spec.value, str) else list(spec.value.multiply)
    return " * ".join(_number(spec, named(column)) for column in columns)


def _raw_value(spec: EventsPart) -> str:
    columns = list(spec.value.multiply) if isinstance(spec.value, Product) else [spec.value]
    return f"nullif(concat_ws(' * ', {', '.join(_raw(column) for column in columns)}), '')"


def _shown(column: str) -> str:
    """The offending value, cut short, with what may be personal masked."""
    masked = f"regexp_replace(left({column}, 60), '[^\\s@]+@[^\\s@]+', '<e-mail>', 'g')"
    return f"regexp_replace({masked}, '\\+?\\d[\\d ()/-]{{7,}}\\d', '<number>', 'g')"


def _shown_time(column: str) -> str:
    """A time is not personal, so its digits are shown; anything with an @ is masked."""
    return f"regexp_replace(left({column}, 60), '[^\\s@]+@[^\\s@]+', '<e-mail>', 'g')"


def _name_check(name: str, column: str, required: bool = False) -> str:
    missing = f"WHEN {column} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
    return f"""CASE {missing}
        WHEN length({column}) > {NAME_LIMIT} THEN {quoted(f"{name} has ")} || length({column}) || ' characters, {NAME_LIMIT} are allowed'
        WHEN regexp_matches({column}, '[\\x00-\\x1f\\x7f]') THEN {quoted(f"{name} holds control characters")} END"""


def _time_checks(name: str, raw: str, parsed: str, clock: int, required: bool = False) -> list[str]:
    missing = f"WHEN {raw} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
    return [
        f"""CASE {missing} WHEN {raw} IS NOT NULL AND {parsed} IS NULL
            THEN {quoted(name + " '")} || {_shown_time(raw)} || ''' is no timestamp, or has no time zone (time_zone in the mapping)'
            WHEN {parsed} > {clock + AHEAD} THEN {quoted(name + " '")} || {_shown_time(raw)} || ''' lies in the future' END"""
    ]


def _value_checks(spec: EventsPart) -> list[str]:
    return [
        f"""CASE WHEN value_text IS NOT NULL AND parsed_value IS NULL
            THEN 'value ''' || {_shown("value_text")} || ''' is no number'
            WHEN isnan(parsed_value) OR isinf(parsed_value) THEN 'value ''' || {_shown("value_text")} || ''' is not finite'
            WHEN abs(parsed_value) > {VALUE_LIMIT} THEN 'value ''' || {_shown("value_text")} || ''' is beyond ±{VALUE_LIMIT:.0e}'
            END"""
    ]


def _number_check(name: str, raw: str, parsed: str) -> str:
    shown = _shown(named(raw))
    return f"""CASE WHEN {named(raw)} IS NOT NULL AND ({named(parsed)} IS NULL OR NOT isfinite({named(parsed)}))
        THEN {quoted(name + " '")} || {shown} || ''' is no finite number' END"""
