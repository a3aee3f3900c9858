"""What becomes of a row that says that an id is another lead's: a new period, the end of one, a copy, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.histories import FAR
from data.log.content import lead_hash
from data.log.eventlog import ALL, EventLog
from data.log.identities import NOBODY, Identities, Period, Periods, leads_back
from data.masking import masked
from data.quoting import quoted


@dataclass(frozen=True)
class NewAliases:
    """Periods that an ingest adds or ends, and how many of its rows repeat what is known.

    before, after: what is known without and with them.
    """

    periods: Sequence[Period] = ()
    repeated: int = 0
    before: Identities = field(default_factory=Identities)
    after: Identities = field(default_factory=Identities)

    @property
    def changed(self) -> NDArray[np.uint64]:
        """Hashes of the aliases, ascending."""
        return np.unique(np.array([lead_hash(period.alias) for period in self.periods], np.uint64))


def judge_identities(con: duckdb.DuckDBPyConnection, staging: Path, folders: Sequence[Path]) -> NewAliases:
    """What is new among the aliases that were staged. Adds to `rejected` those that cannot be."""
    before = Identities.open(folders)
    rows = _staged(con, staging)
    known = before.of({int(lead_hash(name)) for _, _, period in rows for name in (period.alias, period.lead_id)})
    new: dict[tuple[str, str, int], Period] = {}
    repeated = 0
    for part, n, period in rows:
        said = _said(period, known)
        if isinstance(said, str):
            con.execute("INSERT INTO rejected VALUES ('identities', ?, ?, ?)", [part, n, said])
        elif said is None:
            repeated += 1
        else:
            new[said.alias, said.lead_id, said.valid_from] = said
            _put(said, known)
    changed = {int(lead_hash(period.alias)) for period in new.values()}
    after = Identities(before.tables, {alias: known[alias] for alias in changed})
    return NewAliases([*new.values()], repeated, before, after)


def _said(period: Period, known: Periods) -> Period | str | None:
    """The period as it is from now on, None where that is known, or why it cannot be."""
    alias = int(lead_hash(period.alias))
    for other in known.get(alias, ()):
        if not other.overlaps(period):
            continue
        if other.owner != period.owner:
            return f"alias '{masked(period.alias)}' belongs to another lead already"
        if period.valid_until in (FAR, other.valid_until):
            return None
        if other.valid_until < FAR:
            return f"alias '{masked(period.alias)}' was its lead's until another time already"
        ended = other._replace(valid_until=period.valid_until)
        return ended if ended.valid_from < ended.valid_until else _REVERSED
    if leads_back(period.owner, alias, period, known):
        return f"alias '{masked(period.alias)}' would be its own lead, directly or by way of others"
    return period


_REVERSED = "valid_until does not lie behind valid_from"


def _put(period: Period, known: Periods) -> None:
    alias = int(lead_hash(period.alias))
    others = [other for other in known.get(alias, ()) if (other.lead_id, other.valid_from) != period[2:4]]
    known[alias] = sorted([*others, period], key=lambda other: other.valid_from)


def _staged(con: duckdb.DuckDBPyConnection, staging: Path) -> list[tuple[int, int, Period]]:
    if not any((staging / "identities").glob("bucket=[0-9]*")):
        return []
    files = quoted(str(staging / "identities" / "bucket=[0-9]*" / "*.parquet"))
    rows = con.execute(
        f"""SELECT part, n, alias, lead_id, valid_from, coalesce(valid_until, {FAR}) FROM read_parquet({files})
        ORDER BY valid_from, part, n"""
    ).fetchall()
    return [(part, n, Period(alias, int(lead_hash(lead)) if lead else NOBODY, lead, since, until))
            for part, n, alias, lead, since, until in rows]  # fmt: skip


def events_that_move(log: EventLog, new: NewAliases) -> Iterator[pa.Table]:
    """Events of the log that may be another lead's now, whatever became of them, bucket by bucket.

    Columns of events and `lead_id`, `n` from -1 downwards; times in µs UTC. Only the buckets of the leads are read that
    have had events of these aliases.
    """
    aliases = new.changed
    leads = np.unique(np.concatenate([aliases, new.before.owners(aliases).owner]))
    ids = new.before.names(aliases.tolist()) | new.after.names(aliases.tolist())
    wanted = pa.array([ids[lead] for lead in leads.tolist() if lead in ids], pa.string())
    n = 0
    for bucket in np.unique(leads % np.uint64(log.n_buckets)).tolist():
        run = log.run(bucket, ALL)
        is_theirs = np.repeat(pc.is_in(run.leads, value_set=wanted).to_numpy(zero_copy_only=False), run.event_counts)
        lead = run.leads.take(pa.array(np.repeat(np.arange(len(run.leads)), run.event_counts)[is_theirs]))
        events = run.events.filter(pa.array(is_theirs)).append_column("lead_id", lead)
        for name in ("known_at", "occurred_at"):
            events = events.set_column(events.schema.get_field_index(name), name, events.column(name).cast(pa.int64()))
        yield events.append_column("n", pa.array(-np.arange(n + 1, n + 1 + len(events))))
        n += len(events)
