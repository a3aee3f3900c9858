"""What a perfect observer knows at each moment, who has read the exports and nothing else: the truth to judge a log by.

It is derived from what was drawn, never from files or the log. Events that were told otherwise later hold until then;
events under a second id are the lead's too from the merge on, and nobody is there under that id any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import FAR
from data.simulated.export_rows import ExportRows
from data.simulated.exports import Exports
from data.simulated.funnel import START, Floats, Ints
from data.simulated.rows import SOURCE_OF_TYPE
from data.simulated.states import LIFECYCLE, States, micros

UNCHANGING = ("has_phone", "industry", "company_size", "seniority", "country", "lead_source")


@dataclass(frozen=True)
class KnownEvents:
    """Versions of events, each known from one time to another: known_at < moment <= superseded_at.

    lead: int64, place among the names. code: int64, place in FILE_TYPES. channel: int64, place in CHANNELS. value:
    float64, NaN where none. Times: int64, µs UTC; superseded_at is FAR for what holds for ever.
    """

    lead: Ints
    code: Ints
    channel: Ints
    value: Floats
    occurred_at: Ints
    known_at: Ints
    superseded_at: Ints

    def of(self, chosen: NDArray[np.bool_]) -> KnownEvents:
        """Those where the mask is true."""
        return KnownEvents(*(column[chosen] for column in vars(self).values()))

    def valid(self, as_of: int) -> NDArray[np.bool_]:
        """Which hold at a moment (µs UTC)."""
        return (self.known_at < as_of) & (as_of <= self.superseded_at)


@dataclass(frozen=True)
class KnownHistories:
    """What is known of leads. names: their ids, those of second ids after them.

    versions: profile versions with the columns lead (place among the names) and valid_from (µs UTC). away_from: int64,
    by name, µs UTC, FAR for always there. until: µs UTC, the newest time in what the CRM has told.
    """

    names: NDArray[np.str_]
    events: KnownEvents
    versions: pa.Table
    away_from: Ints
    until: int


def known_of(exports: Exports) -> KnownHistories:
    """What the exports let one know."""
    versions, leads = exports.told, len(exports.names) - len(exports.merges)
    events = _events(versions.of(~versions.again))
    merged_at = START + exports.merges.merged_at
    moved = events.of(events.lead >= leads)
    since = np.maximum(moved.known_at, merged_at[moved.lead - leads])
    moved = replace(moved, lead=exports.merges.lead[moved.lead - leads], known_at=since).of(since < moved.superseded_at)
    crm = ~versions.again & ~versions.retracted & (SOURCE_OF_TYPE[versions.rows.code] == "crm")
    return KnownHistories(
        exports.names,
        KnownEvents(*map(np.concatenate, zip(vars(events).values(), vars(moved).values(), strict=True))),
        _dated(exports.people) if exports.states is None else _seen(exports.states, exports.calendar.ends),
        np.concatenate([np.full(leads, FAR), merged_at]),
        START + int(versions.rows.received_at[crm].max(initial=0)),
    )


def _events(versions: ExportRows) -> KnownEvents:
    """Each version holds until the next one of its event is known; a retraction is one that says nothing."""
    order = np.lexsort((versions.known_at, versions.rows.number))
    number, known_at = versions.rows.number[order], START + versions.known_at[order]
    ends = np.full(len(order), FAR)
    ends[:-1] = np.where(number[1:] == number[:-1], known_at[1:], FAR)
    rows = versions.rows.take(order)
    events = KnownEvents(rows.lead, rows.code, rows.channel, rows.value, START + rows.occurred_at, known_at, ends)
    return events.of(~versions.retracted[order])


def _dated(people: pa.Table) -> pa.Table:
    lead = np.unique(people.column("lead_id").to_numpy(), return_inverse=True)[1]
    columns = {name: people.column(name) for name in (*UNCHANGING, "employees")}
    columns["lifecycle"] = pa.nulls(len(people), pa.string())  # the CRM knows the column, and tells nothing of it
    return pa.table({"lead": lead, "valid_from": START + micros(people.column("valid_from")), **columns})


def _seen(states: States, ends: Ints) -> pa.Table:
    """From its creation on what never changes, and from each export on what it is the first to say."""
    created, (export, lead) = np.flatnonzero(states.present.any(axis=0)), np.nonzero(_news(states))
    blank = np.full(len(created), -1)
    who = np.concatenate([created, lead])
    sizes = np.concatenate([blank, states.employees[export, lead]])
    stages = np.concatenate([blank, states.stage[export, lead]])
    return pa.table(
        {
            "lead": who,
            "valid_from": START + np.concatenate([states.created_at[created], ends[export]]),
            **{name: states.base.column(name).take(pa.array(who)) for name in UNCHANGING},
            "employees": pa.array(sizes, mask=sizes < 0),
            "lifecycle": pa.array(np.array(list(LIFECYCLE))[stages], mask=stages < 0),
        }
    )


def _news(states: States) -> NDArray[np.bool_]:
    """bool[exports, n]: whether an export says of somebody what the one before did not."""
    news = states.present.copy()
    same = np.all([column[1:] == column[:-1] for column in (states.employees, states.stage)], axis=0)
    news[1:] &= ~(states.present[:-1] & same)
    return news
