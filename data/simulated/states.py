"""Profiles as a CRM exports them: every lead as it stands, in each export anew, without the dates of its changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import FAR
from data.simulated.funnel import CODE, START, Ints
from data.simulated.merges import Merges
from data.simulated.profiles import iso_times
from data.simulated.rows import EventRows

LIFECYCLE = {
    "new": (),
    "engaged": ("form_submit", "whitepaper_download", "webinar_signup", "chat_message"),
    "opportunity": ("demo_request", "offer_sent", "inbound_call"),
}
"""How far a lead has come, by what has been seen of it; the end of a deal is no stage, so it gives nothing away."""


@dataclass(frozen=True)
class States:
    """What each export says of n leads and second ids.

    base: n rows, columns that never change, lead_id among them. created_at: int64[n], µs after START. In each of k
    exports: present: bool[k, n]; employees: int64[k, n], -1 where unknown; stage: int64[k, n], a place in LIFECYCLE.
    """

    base: pa.Table
    created_at: Ints
    present: NDArray[np.bool_]
    employees: Ints
    stage: Ints

    def table(self, export: int) -> pa.Table:
        """The file of an export."""
        there = np.flatnonzero(self.present[export])
        employees = self.employees[export, there]
        table = self.base.take(pa.array(there)).append_column("created_at", iso_times(self.created_at[there]))
        table = table.append_column("employees", pa.array(employees, mask=employees < 0))
        return table.append_column("lifecycle", pa.array(np.array(list(LIFECYCLE))[self.stage[export, there]]))


def states_of(people: pa.Table, rows: EventRows, merges: Merges, names: NDArray[np.str_], ends: Ints) -> States:
    """The states at the times of exports (µs after START). people: dated versions, by lead and time."""
    lead = np.unique(people.column("lead_id").to_numpy(), return_inverse=True)[1]
    valid_from = micros(people.column("valid_from"))
    starts, n, at = np.flatnonzero(np.diff(lead, prepend=-1)), len(names), ends[:, None]
    created_at = np.concatenate([valid_from[starts], merges.since])
    gone_at = np.concatenate([np.full(len(starts), FAR), merges.merged_at])
    sizes = people.column("employees").fill_null(-1).to_numpy()
    employees = np.full((len(ends), n), -1)
    for export, end in enumerate(ends):
        versions = np.bincount(lead[valid_from < end], minlength=len(starts))
        employees[export, : len(starts)] = np.where(versions > 0, sizes[starts + versions - 1], -1)
    engaged, opportunity = (_first_seen(rows, LIFECYCLE[stage], n) for stage in ("engaged", "opportunity"))
    stage = np.where(opportunity < at, 2, np.where(engaged < at, 1, 0))
    base = people.take(pa.array(np.concatenate([starts, starts[merges.lead]]))).drop_columns(
        ["valid_from", "employees"]
    )
    base = base.set_column(0, "lead_id", pa.array(names))
    return States(base, created_at, (created_at < at) & (at <= gone_at), employees, stage)


def micros(times: pa.ChunkedArray) -> Ints:
    """µs after START of texts as `iso_times` writes them."""
    moments: Ints = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() - START
    return moments


def _first_seen(rows: EventRows, types: tuple[str, ...], n: int) -> Ints:
    """int64[n]: when each lead had the first event of some types, µs after START."""
    first = np.full(n, FAR)
    wanted = np.isin(rows.code, [CODE[name] for name in types])
    np.minimum.at(first, rows.lead[wanted], rows.received_at[wanted])
    return first
