"""What the event log says of leads at a moment: what counts of each, what was taken back, who is away.

Of the versions of an event at most one counts at a moment: that which is known before it, and is not known to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import CONTEXT
from data.engine import engine
from data.histories import FAR, Absences
from data.log.absences import absences_of, read_absences
from data.log.content import BETWEEN, NOTHING, body_sql, profile_sql
from data.log.eventlog import EventLog
from data.log.runs import TIME, Run
from data.quoting import named

EVENTS_AT_ONCE, LEADS_AT_ONCE = 5_000, 500
"""Of leads that are looked at together, unless one alone has more events."""
NONE = pa.Table.from_batches([], pa.schema([("#lead", pa.int64())]))
ROW, LEAD, CONTENT = '"#row"', '"#lead"', '"#content"'
"""Columns of our own, which no profile column is called."""
EVENTS = f"""SELECT {ROW}, {LEAD}, lead_id, source, event_id, event_type, channel, value,
    epoch_us(occurred_at) AS occurred_at, epoch_us(known_at) AS known_at, {", ".join(CONTEXT)}, deal,
    {body_sql("epoch_us(occurred_at)", "deal", CONTEXT)} AS body,
    coalesce(epoch_us(superseded_at) < $now, false) AS wrong,
    CASE WHEN epoch_us(known_at) < merged AND NOT coalesce(epoch_us(superseded_at) < merged, false) THEN true END
        AS before_merge
    FROM given_events JOIN leads USING ({LEAD}) WHERE epoch_us(known_at) < $now"""
DIGESTS = f"""WITH texts AS (
        SELECT {LEAD}, {ROW}, 0 AS kind,
            concat_ws('{BETWEEN}', source, event_id, body, known_at, wrong, before_merge) AS text
            FROM events
        UNION ALL SELECT {LEAD}, {ROW}, 1, concat_ws('{BETWEEN}', valid_from, {CONTENT}) FROM versions
        UNION ALL SELECT {LEAD}, 0, 2, concat_ws('{BETWEEN}', away, merged) FROM leads)
    SELECT sha256(string_agg(text, '{NOTHING}' ORDER BY kind, {ROW})) FROM texts GROUP BY {LEAD} ORDER BY {LEAD}"""


@dataclass(frozen=True)
class LeadsState:
    """Leads one after the other, and what the log says of them at the moment.

    digests: sha256 of all that follows, by lead. away_since: µs UTC, None for who is there; merged_since: since when it
    is another lead, None for who is none. events, versions: rows with the place of their lead, `lead`, in its order.
    An event has source, event_id, body, …, and `wrong`: it was taken back, corrected, or is another lead's;
    `before_merge`: true where it was known of the lead, and not wrong, when that was merged. A version has valid_from,
    account_id and profile columns.
    """

    lead_ids: list[str]
    digests: list[str]
    away_since: list[int | None]
    merged_since: list[int | None]
    events: pa.Table
    versions: pa.Table

    @property
    def n_leads(self) -> int:
        return len(self.lead_ids)

    @property
    def merged(self) -> dict[str, int]:
        """Leads that are others, and since when, µs UTC."""
        return {lead: at for lead, at in zip(self.lead_ids, self.merged_since, strict=True) if at is not None}

    def parts(self) -> Iterator[LeadsState]:
        """The same, a few leads at a time."""
        events, versions = (_starts(table, self.n_leads) for table in (self.events, self.versions))
        begin = 0
        while begin < self.n_leads:
            fitting = int(np.searchsorted(events, events[begin] + EVENTS_AT_ONCE, side="right")) - 1
            end = min(max(begin + 1, fitting), begin + LEADS_AT_ONCE, self.n_leads)
            yield LeadsState(
                self.lead_ids[begin:end],
                self.digests[begin:end],
                self.away_since[begin:end],
                self.merged_since[begin:end],
                self.events.slice(events[begin], events[end] - events[begin]),
                self.versions.slice(versions[begin], versions[end] - versions[begin]),
            )
            begin = end


def state_of(log: EventLog, bucket: int, now: int) -> LeadsState:
    """The leads of a bucket at a moment, µs UTC. Memory: that of the bucket."""
    run = log.run(bucket)
    if not len(run.leads):
        return LeadsState([], [], [], [], NONE, NONE)
    absences = absences_of(read_absences(log.folders, bucket), run.leads)
    away, merged = _away_since(absences, len(run.leads), now), _merged_since(absences, len(run.leads), now)
    with engine() as con:
        times = {"away": pa.array(away, pa.int64()), "merged": pa.array(merged, pa.int64())}
        con.register("leads", pa.table({"#lead": np.arange(len(run.leads)), **times}))
        con.register("given_events", _of_leads(_whole(run), run.leads, run.event_counts))
        con.register("given_versions", _of_leads(run.profiles, run.leads, run.version_counts))
        con.execute(f"CREATE TEMP TABLE events AS {EVENTS}", {"now": now})
        con.execute(f"CREATE TEMP TABLE versions AS {_versions(run.profiles.column_names)}", {"now": now})
        events, versions = (
            con.sql(f"SELECT * FROM {name} ORDER BY {ROW}").to_arrow_table() for name in ("events", "versions")
        )
        digests = [row[0] for row in con.sql(DIGESTS).fetchall()]
    return LeadsState(run.leads.to_pylist(), digests, away, merged, events, versions)


def _whole(run: Run) -> pa.Table:
    """The events with what few of them have, also where none has it."""
    events = run.events
    for name, kind in {"superseded_at": TIME, "deal": pa.uint64(), **dict.fromkeys(CONTEXT, pa.string())}.items():
        if name not in events.column_names:
            events = events.append_column(name, pa.nulls(len(events), kind))
    return events


def _of_leads(table: pa.Table, leads: pa.Array, counts: NDArray[np.int64]) -> pa.Table:
    """Rows with their place, and the place and id of their lead."""
    lead = pa.array(np.repeat(np.arange(len(leads)), counts))
    own = {"#row": pa.array(np.arange(len(table))), "#lead": lead, "lead_id": leads.take(lead)}
    return pa.table({**own, **dict(zip(table.column_names, table.columns, strict=True))})


def _versions(columns: Sequence[str]) -> str:
    """Versions that hold at the moment or held before; the first one of a lead holds at its beginning already."""
    content = profile_sql((name, named(name)) for name in columns if name != "valid_from")
    since = f"* REPLACE (epoch_us(valid_from) AS valid_from), {content} AS {CONTENT}"
    return f"SELECT {since} FROM given_versions WHERE epoch_us(valid_from) <= $now"


def _away_since(absences: Absences | None, n_leads: int, now: int) -> list[int | None]:
    """For each lead since when it is away at a moment; None where it is there."""
    since: list[int | None] = [None] * n_leads
    if absences is not None:
        lead = np.repeat(np.arange(n_leads), np.diff(absences.starts))
        for row in np.flatnonzero((absences.from_at < now) & (now <= absences.until)).tolist():
            since[lead[row]] = int(absences.from_at[row])
    return since


def _merged_since(absences: Absences | None, n_leads: int, now: int) -> list[int | None]:
    """For each lead since when it is another one at a moment; None where it is none."""
    merged_at = None if absences is None else absences.merged_at(now)
    return [None] * n_leads if merged_at is None else [None if at == FAR else at for at in merged_at.tolist()]


def takes_back(log: EventLog, bucket: int) -> bool:
    """Whether events of a bucket may have been taken back, corrected or moved; costs less than to look at all."""
    runs = log.runs(bucket, ("superseded_at",))
    return any("superseded_at" in run.events.column_names or run.patches.shape[1] for run in runs)


def _starts(table: pa.Table, n_leads: int) -> NDArray[np.int64]:
    """Where the rows of each lead begin, and their number at the end."""
    return np.searchsorted(table.column("#lead").to_numpy(), np.arange(n_leads + 1))
