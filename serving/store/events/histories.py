"""Histories of stored leads, in the very shape and order in which the event log gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, select

from data.contract import CONTEXT, ColumnKind
from data.histories import Histories
from data.log.eventlog import histories_of
from data.log.log_vocabulary import LogVocabulary
from data.log.runs import Run
from data.numbers import NoNumber, number_from_text
from data.sources.mapping import BotRule
from serving.store.database.connection import AT_ONCE, Database
from serving.store.database.schema import attributes, events, profiles
from serving.store.events.companies import StoredCompanies
from serving.store.events.deals import deals_of

ROWS_AT_ONCE = 20_000
EVENT = pa.schema(
    [
        ("lead_id", pa.string()),
        ("known_at", pa.int64()),
        ("occurred_at", pa.int64()),
        ("event_type", pa.string()),
        ("channel", pa.string()),
        ("value", pa.float64()),
        ("deal", pa.int64()),
        *((name, pa.string()) for name in CONTEXT),
    ]
)
TOTAL_ORDER = ("lead_id", "known_at", "occurred_at", "event_type", "channel", "value", "source", "event_id")
"""As in the event log: nulls first, text byte by byte."""
# Queries that are put together once: to do so costs as much as to ask them for a lead.
LEADS: BindParameter[Sequence[str]] = bindparam("lead_ids", expanding=True)
AS_OF: BindParameter[int] = bindparam("as_of")
EVENTS = (
    select(*(events.c[name] for name in EVENT.names))
    .where(events.c.lead_id.in_(LEADS), events.c.known_at < AS_OF)
    .order_by(*(events.c[name].asc().nulls_first() for name in TOTAL_ORDER))
)
VERSIONS = (
    select(profiles.c.lead_id, profiles.c.valid_from, profiles.c.account_id)
    .where(profiles.c.lead_id.in_(LEADS), profiles.c.valid_from <= AS_OF)
    .order_by(profiles.c.lead_id, profiles.c.valid_from)
)
ATTRIBUTES = select(attributes).where(
    attributes.c.lead_id.in_(LEADS),
    attributes.c.name.in_(bindparam("names", expanding=True)),
    attributes.c.valid_from <= AS_OF,
)


class HistoryReader:
    """Reads histories out of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self, lead_ids: Sequence[str], as_of: int, columns: Mapping[str, ColumnKind], bots: Sequence[BotRule]
    ) -> Histories:
        """What was known of leads before `as_of` (µs UTC): one row per lead, in the order of `lead_ids`.

        At most five hundred leads, sorted, each once. columns: profile columns and their kind, `category` or `number`;
        bots: rules that label a machine's events; both as in the model's manifest. A lead that the store does not
        know has an empty history. Who their colleagues are is read when it is asked for. Raises ValueError when the ids
        are not sorted or too many.
        """
        companies = StoredCompanies(self._database, as_of, lambda near: self._plain(near, as_of, columns, bots))
        return replace(self._plain(lead_ids, as_of, columns, bots), companies=companies)

    def _plain(
        self, lead_ids: Sequence[str], as_of: int, columns: Mapping[str, ColumnKind], bots: Sequence[BotRule]
    ) -> Histories:
        ids = list(lead_ids)
        if len(ids) > AT_ONCE or ids != sorted(set(ids)):
            raise ValueError(f"lead_ids must be sorted, each once, at most {AT_ONCE}")
        with self._database.read_in_turn() as connection:
            event_rows = _events(connection, ids, as_of)
            versions = versions_of(connection, ids, as_of, columns)
        event_rows = _with_deals(event_rows)
        for name in ("event_type", "channel"):
            event_rows = event_rows.set_column(
                event_rows.schema.get_field_index(name), name, event_rows.column(name).dictionary_encode()
            )
        counts = np.array(_counts(event_rows, ids), np.int64), np.array(_counts(versions, ids), np.int64)
        run = Run(pa.array(ids, pa.string()), event_rows, counts[0], versions, counts[1])
        return histories_of(run, LogVocabulary(profile_columns=columns, bots=tuple(bots)))


def _events(connection: Connection, lead_ids: Sequence[str], as_of: int) -> pa.Table:
    asked = {"lead_ids": lead_ids, "as_of": as_of}
    streaming = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE}
    result = connection.execute(EVENTS, asked, execution_options=streaming)
    return pa.Table.from_batches(map(_batch, result.partitions(ROWS_AT_ONCE)), EVENT)


def _with_deals(event_rows: pa.Table) -> pa.Table:
    """The column of deals as the log has it: left out where no event names one."""
    place = event_rows.schema.get_field_index("deal")
    stored = event_rows.column(place)
    if stored.null_count == len(stored):
        return event_rows.remove_column(place)
    return event_rows.set_column(place, "deal", pa.array(deals_of(stored.to_pylist())))


def _batch(rows: Sequence[Row[Any]]) -> pa.RecordBatch:
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), EVENT.types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT)


def versions_of(
    connection: Connection,
    lead_ids: Sequence[str],
    as_of: int,
    columns: Mapping[str, ColumnKind],
    query: Select[Any] = VERSIONS,
) -> pa.Table:
    """Profile versions that a query gives, and that begin up to `as_of`, by (lead_id, valid_from).

    Columns: those, account_id, and the given ones. A version that begins just at `as_of` counts if it is the lead's
    first, which the kernel decides. Names of attributes are lower case in the store, and are found in whatever case a
    column is written.
    """
    asked = {"lead_ids": lead_ids, "as_of": as_of}
    rows = connection.execute(query, asked).all()
    values = connection.execute(ATTRIBUTES, asked | {"names": [name.lower() for name in columns]})
    known = {(lead_id, at, name): (text, number) for lead_id, at, name, text, number in values}
    versions = [(row.lead_id, row.valid_from) for row in rows]
    return pa.table(
        {
            "lead_id": pa.array([row.lead_id for row in rows], pa.string()),
            "valid_from": pa.array([row.valid_from for row in rows], pa.int64()),
            "account_id": pa.array([row.account_id for row in rows], pa.string()),
            **{name: column(name.lower(), kind, versions, known) for name, kind in columns.items()},
        }
    )


def column(
    name: str,
    kind: str,
    versions: Sequence[tuple[str, int]],
    known: Mapping[tuple[str, int, str], tuple[str | None, float | None]],
) -> pa.Array:
    """A profile column of versions (lead_id, valid_from); known: their attributes by name, as (text, number)."""
    pairs = [known.get((*version, name), (None, None)) for version in versions]
    if kind == "category":
        texts = [repr(value) if text is None and value is not None else text for text, value in pairs]
        return pa.array(texts, pa.string())
    return pa.array([value if text is None else _number(text) for text, value in pairs], pa.float64())


def _number(text: str) -> float | None:
    """The number that a text is, as an ingest would read it; None for none."""
    try:
        return number_from_text(text)
    except NoNumber:
        return None


def _counts(rows: pa.Table, lead_ids: Sequence[str]) -> list[int]:
    """How many rows each lead has."""
    counted = rows.column("lead_id").value_counts().to_pylist()
    counts = {row["values"]: row["counts"] for row in counted}
    return [counts.get(lead_id, 0) for lead_id in lead_ids]
