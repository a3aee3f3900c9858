"""What an event or a profile version says, as a hash: two rows with the same one add nothing to each other.

md5, in SQL where rows come in, and the same here for rows that are read again; a test says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import CONTEXT
from data.engine import engine
from data.quoting import quoted

BETWEEN, NOTHING = "\x1f", "\x1e"
LOWER = "18446744073709551615"


def content_sql(occurred_at: str, deal: str = "NULL", context: Sequence[str] = ()) -> str:
    """The hash of an event's content, UBIGINT. occurred_at, deal: SQL of its µs UTC, and of the hash of its deal.

    context: those of CONTEXT that there are.
    """
    return high(f"concat_ws({quoted(BETWEEN)}, {_event_texts(occurred_at, deal, context)})")


def body_sql(occurred_at: str, deal: str = "NULL", context: Sequence[str] = ()) -> str:
    """md5 of an event and its lead in hexadecimal: the id of an event that brings none.

    The store's `body_of` (event_validation.py) is the same for an event of no deal; a test says so.
    """
    return f"md5(concat_ws({quoted(BETWEEN)}, lead_id, {_event_texts(occurred_at, deal, context)}))"


def _event_texts(occurred_at: str, deal: str, context: Sequence[str]) -> str:
    """What came later and is null adds nothing, so that an event without it has the hash that it has always had."""
    missing = quoted(NOTHING)
    texts = f"event_type, {occurred_at}, coalesce(channel, {missing}), coalesce(value::VARCHAR, {missing})"
    return ", ".join([texts, f"({deal})::VARCHAR", *(f"{quoted(name + '=')} || {name}" for name in context)])


def profile_sql(columns: Iterable[tuple[str, str]]) -> str:
    """The hash of a profile version from (name, SQL) of its columns; a null counts as a column that is not there."""
    texts = (f"{quoted(name + '=')} || {sql}::VARCHAR" for name, sql in sorted(columns))
    return high(f"concat_ws({quoted(BETWEEN)}, '', {', '.join(texts)})")


def high(text: str) -> str:
    """The second half of the md5 of a text, little-endian, as UBIGINT. Three times as quick as `md5_number_lower`."""
    return f"(md5_number({text}) >> 64)::UBIGINT"


def low(text: str) -> str:
    """The first half."""
    return f"(md5_number({text}) & {LOWER})::UBIGINT"


def content_of(events: pa.Table, row: int) -> np.uint64:
    """The same hash for a row of the log."""
    kind, channel = (events.column(name)[row].as_py() for name in ("event_type", "channel"))
    value, occurred_at = events.column("value")[row].as_py(), events.column("occurred_at")[row].cast(pa.int64()).as_py()
    texts = [kind, str(occurred_at), NOTHING if channel is None else channel, NOTHING if value is None else repr(value)]
    later = {name: events.column(name)[row].as_py() for name in ("deal", *CONTEXT) if name in events.column_names}
    deal = [str(later["deal"])] if later.get("deal") is not None else []
    context = [f"{name}={later[name]}" for name in CONTEXT if later.get(name) is not None]
    return _high(BETWEEN.join([*texts, *deal, *context]))


def lead_hash(lead_id: str) -> np.uint64:
    """The hash of a lead's id; modulo the number of buckets it names its bucket."""
    return _high(lead_id)


def lead_hashes(leads: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """uint64[n]: the hashes of many."""
    table = pa.table({"lead_id": leads})
    with engine() as con:
        con.register("leads", table)
        rows = con.execute(f"SELECT {high('lead_id')} AS hash FROM leads").fetchnumpy()
    return np.asarray(rows["hash"], np.uint64)


def key_hashes(events: pa.Table) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """uint64[n] each: the two halves of the hash of the key of events with `source` and `event_id`."""
    key = f"concat_ws('{BETWEEN}', source, event_id)"
    with engine() as con:
        con.register("events", events.select(["source", "event_id"]))
        rows = con.execute(f"SELECT {high(key)} AS high, {low(key)} AS low FROM events").fetchnumpy()
    return np.asarray(rows["high"], np.uint64), np.asarray(rows["low"], np.uint64)


def _high(text: str) -> np.uint64:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return np.uint64(int.from_bytes(digest[8:], "little"))
