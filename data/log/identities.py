"""Other ids of a lead, each from a time on: a cookie that became a contact, a lead that was merged into another.

Before that time histories stay apart. From then on all events of the alias are the lead's too, as if they had been
received then, and the alias itself is not there any more. Each part of the log has the aliases that it adds.

The copies are made in data/intake/staging.py and timed in judgement.py there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.log.eventlog import ALL, EventLog, bucket_of
from data.masking import masked
from data.quoting import quoted

if TYPE_CHECKING:
    import duckdb

FILE = "identities.parquet"
SCHEMA = pa.schema([("alias", pa.string()), ("lead_id", pa.string()), ("valid_from", pa.int64())])


def read_identities(folders: Sequence[Path]) -> pa.Table:
    """What all parts say."""
    tables = [pq.read_table(folder / FILE) for folder in folders if (folder / FILE).exists()]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


@dataclass(frozen=True)
class NewAliases:
    """Aliases that an ingest brings, and how many of its rows repeat one that is known."""

    aliases: pa.Table = field(default_factory=SCHEMA.empty_table)
    repeated: int = 0


def judge_identities(con: duckdb.DuckDBPyConnection, staging: Path, folders: Sequence[Path]) -> NewAliases:
    """What is new among the aliases that were staged.

    Adds to `rejected` those that cannot be. Makes the table `aliases`: alias, the lead that it is in the end, since
    when.
    """
    known = {row["alias"]: (row["lead_id"], row["valid_from"]) for row in read_identities(folders).to_pylist()}
    new: dict[str, tuple[str, int]] = {}
    rows = _staged(con, staging)
    repeated = 0
    for part, n, alias, lead, since in rows:
        everything = {**known, **new}
        if alias in everything:
            if everything[alias][0] == lead:
                repeated += 1
                continue
            reason = f"alias '{masked(alias)}' belongs to another lead already"
        elif _leads_to(lead, alias, everything):
            reason = f"alias '{masked(alias)}' would be its own lead, directly or by way of others"
        else:
            new[alias] = (lead, since)
            continue
        con.execute("INSERT INTO rejected VALUES ('identities', ?, ?, ?)", [part, n, reason])
    everything = {**known, **new}
    ends = [(alias, *_end(alias, everything)) for alias in everything]
    con.register("ends", _table(ends))
    con.execute("CREATE OR REPLACE TEMP TABLE aliases AS SELECT * FROM ends")
    con.unregister("ends")
    return NewAliases(_table([(alias, *owner) for alias, owner in new.items()]), repeated)


def _staged(con: duckdb.DuckDBPyConnection, staging: Path) -> list[tuple[int, int, str, str, int]]:
    if not any((staging / "identities").glob("bucket=[0-9]*")):
        return []
    files = quoted(str(staging / "identities" / "bucket=[0-9]*" / "*.parquet"))
    query = f"SELECT part, n, alias, lead_id, valid_from FROM read_parquet({files}) ORDER BY valid_from, part, n"
    rows: list[tuple[int, int, str, str, int]] = con.execute(query).fetchall()
    return rows


def _leads_to(lead: str, alias: str, owners: dict[str, tuple[str, int]]) -> bool:
    """Whether a lead is, in the end, the alias itself."""
    while lead in owners:
        lead = owners[lead][0]
    return lead == alias


def _end(alias: str, owners: dict[str, tuple[str, int]]) -> tuple[str, int]:
    """The lead that an alias is in the end, and from when on."""
    lead, since = owners[alias]
    while lead in owners:
        lead, later = owners[lead]
        since = max(since, later)
    return lead, since


def _table(rows: Sequence[tuple[str, str, int]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def events_of_aliases(log: EventLog, new: pa.Table) -> Iterator[pa.Table]:
    """Events that the log has of leads that turn out to be aliases, as they stand now, bucket by bucket.

    Columns of events, `alias`, and `n` from 1 on; times in µs UTC. Only the buckets of these leads are read.
    """
    aliases, n = new.column("alias").to_pylist(), 0
    buckets = np.array([bucket_of(alias, log.n_buckets) for alias in aliases], np.int64)
    for bucket in np.unique(buckets).tolist():
        run = log.run(bucket, ALL)
        wanted = pa.array([alias for alias, its in zip(aliases, buckets, strict=True) if its == bucket], pa.string())
        is_theirs = np.repeat(pc.is_in(run.leads, value_set=wanted).to_numpy(zero_copy_only=False), run.event_counts)
        owner = run.leads.take(pa.array(np.repeat(np.arange(len(run.leads)), run.event_counts)[is_theirs]))
        events = run.events.filter(pa.array(is_theirs)).append_column("alias", owner)
        if "superseded_at" in events.column_names:
            events = events.filter(pc.is_null(events.column("superseded_at"))).drop_columns(["superseded_at"])
        for name in ("known_at", "occurred_at"):
            events = events.set_column(events.schema.get_field_index(name), name, events.column(name).cast(pa.int64()))
        yield events.append_column("n", pa.array(np.arange(n + 1, n + 1 + len(events))))
        n += len(events)


def without_lead(folder: Path, lead_id: str, draft: Path) -> None:
    """Writes the file of a part without a lead and its aliases, if it has any."""
    if (folder / FILE).exists():
        table = pq.read_table(folder / FILE)
        theirs = pc.or_(pc.equal(table.column("alias"), lead_id), pc.equal(table.column("lead_id"), lead_id))
        if pc.any(theirs).as_py():
            pq.write_table(table.filter(pc.invert(theirs)), draft / FILE)
