"""Rows about profiles, checked in SQL: versions from a time on, states of an export, and what a creation tells."""

from __future__ import annotations

from collections.abc import Collection

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
from data.judging.verdicts import CREATION, STATE, VERSION
from data.log.content import high, low, profile_sql
from data.quoting import named
from data.sources.checks import number, number_check, yes, yes_check
from data.sources.source import Source
from data.sources.tables import LeadsPart


def profile_rows(source: Source, spec: LeadsPart, clock: Clock) -> str:
    """SQL for profile versions with the reason why one is refused, else null; a column NAME is staged as p_NAME."""
    times = spec.times
    flags = {name: f"CASE WHEN {named(column)} IS NULL THEN 'no' ELSE 'yes' END" for name, column in spec.flags.items()}
    columns = {"account_id": given(spec.account_id)} | {spec.called(name): named(name) for name in spec.categories}
    columns |= flags | {spec.called(name): number(named(name), spec.decimal_comma) for name in spec.numbers}
    checks = [
        "why",
        checked_name("lead_id", "lead_id", required=True),
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
            {given(spec.valid_from or spec.exported_at)} AS valid_text, {given(spec.created_at)} AS created_text,
            {given(spec.deleted)} AS deleted_text{made} FROM {source.view}),
        parsed AS (SELECT *, {times.sql("valid_text")} AS valid_from, {times.sql("created_text")} AS created_at
            FROM texts),
        checked AS (SELECT *, {cell_columns(cells)} FROM parsed),
        judged AS (SELECT * EXCLUDE (created_at{replaced}){good},
            CASE WHEN bad_created_at IS NULL THEN created_at END AS created_at,
            coalesce({", ".join(checks)}) AS reason, {cells_sql(cells)} AS cells FROM checked), rows AS ({rows})
        SELECT *, {high("lead_id")} AS high, {low("lead_id")} AS low,
            {high("lead_id")} AS lead_hash, {content} AS content FROM rows"""


def _profile_cells(spec: LeadsPart) -> dict[str, str]:
    """What may be wrong with a cell of a profile, by the name of its column."""
    account = id_checks(spec, "account_id", spec.account_id)
    cells = {"account_id": [checked_name("account_id", "p_account_id"), *account]}
    for column in spec.categories:
        name = spec.called(column)
        cells[name] = [checked_name(name, named(f"p_{name}")), *kept_check(spec, name, column, named(f"p_{name}"))]
    return {name: f"coalesce({', '.join(checks)}, NULL)" for name, checks in cells.items()} | {
        name: number_check(name, named(f"t_{name}"), named(f"p_{name}"), spec.decimal_comma)
        for name in map(spec.called, spec.numbers)
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
