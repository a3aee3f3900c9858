"""Histories of many leads as sorted arrays: what the event log gives and the feature kernel reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from data.companies import CompanySource

Named = Literal["event_type", "channel", "campaign", "asset"]
"""What an event names."""
FAR = 2**62
"""A time that never comes."""


@dataclass(frozen=True)
class Profiles:
    """Profile versions of many leads, each lead's in order of `valid_from`.

    starts: int64[n_leads + 1], lead i owns rows starts[i]:starts[i + 1].
    valid_from: int64[n], µs UTC.
    columns: n rows, string (category) or float64 (number) columns; nulls mean unknown.
    accounts: string[n], the account of each, null for none; None where that holds for all.
    """

    starts: NDArray[np.int64]
    valid_from: NDArray[np.int64]
    columns: pa.Table
    accounts: pa.ChunkedArray | None = None


@dataclass(frozen=True)
class Absences:
    """Times in which leads are not there (merged into another, deleted in the CRM), each lead's in order of time.

    starts: int64[n_leads + 1], lead i owns rows starts[i]:starts[i + 1].
    from_at, until: int64[n], µs UTC; a lead is away at moments t with from_at < t <= until. FAR: it never came back.
    merged: bool[n], whether it was another lead then rather than deleted; None where that holds for none. The two may
    overlap.
    """

    starts: NDArray[np.int64]
    from_at: NDArray[np.int64]
    until: NDArray[np.int64]
    merged: NDArray[np.bool_] | None = None

    def merged_at(self, as_of: int) -> NDArray[np.int64] | None:
        """int64[n_leads], µs UTC: since when leads are others at `as_of`, FAR for those that are none; None for nobody.

        >>> absences = Absences(np.array([0, 1, 2]), np.array([3, 4]), np.array([FAR, 9]), np.array([True, True]))
        >>> [at if at < FAR else None for at in absences.merged_at(10).tolist()], absences.merged_at(3)
        ([3, None], None)
        """
        if self.merged is None:
            return None
        rows = self.merged & (self.from_at < as_of) & (as_of <= self.until)
        n_leads = len(self.starts) - 1
        merged_at = np.full(n_leads, FAR)
        np.minimum.at(merged_at, np.repeat(np.arange(n_leads), np.diff(self.starts))[rows], self.from_at[rows])
        return merged_at if rows.any() else None


@dataclass(frozen=True)
class Stretches:
    """Which of many rows are chosen: for each of n leads those from `begin` to before `end`, int64[n] each."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    @staticmethod
    def of(starts: NDArray[np.int64], leads: NDArray[np.integer]) -> Stretches:
        """All rows of leads, of which lead i owns starts[i]:starts[i + 1]."""
        return Stretches(starts[leads], starts[1:][leads])

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64[n + 1]: where each one's rows begin, once they are taken."""
        return np.concatenate([[0], np.cumsum(self.end - self.begin)]).astype(np.int64)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The places of the rows, one after another."""
        starts = self.starts
        return np.arange(starts[-1]) + np.repeat(self.begin - starts[:-1], self.end - self.begin)


EACH_EVENT = (
    *("known_at", "occurred_at", "event_type", "channel", "value", "bot", "superseded_at", "deal"),
    *("campaign", "asset"),
)
"""Arrays of histories with a value for each event."""


@dataclass(frozen=True)
class Histories:
    """Events and profiles of many leads.

    lead_ids: string[n_leads].
    starts: int64[n_leads + 1], lead i owns events starts[i]:starts[i + 1].
    known_at, occurred_at: int64[n], µs UTC. A lead's events are in the log's total order: by
        (known_at, occurred_at, event_type, channel, value, source, event_id), nulls first.
    event_type: int32[n], codes into `types`. channel: int32[n], codes into `channels`, -1 where unknown.
    value: float64[n], NaN where unknown; multiples of a ten-thousandth.
    bot: bool[n], True where a bot rule labelled the event.
    superseded_at: int64[n], µs UTC: from when on the event is known to be wrong (corrected, retracted, or another
        lead's), FAR where it never was. None where that holds for all.
    absences: when leads are not there; None where all always are.
    deal: uint64[n], a hash of the deal that an event is about, 0 for none; None where that holds for all.
    campaign, asset: int32[n], codes into `campaigns` and `assets`, -1 where an event names none; None where that holds
        for all.
    companies: who tells of the leads' colleagues; None: nobody, so that nothing that needs them can be computed.
    """

    lead_ids: pa.Array
    starts: NDArray[np.int64]
    known_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    event_type: NDArray[np.int32]
    channel: NDArray[np.int32]
    value: NDArray[np.float64]
    bot: NDArray[np.bool_]
    profiles: Profiles
    types: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    superseded_at: NDArray[np.int64] | None = None
    absences: Absences | None = None
    deal: NDArray[np.uint64] | None = None
    campaign: NDArray[np.int32] | None = None
    campaigns: list[str] = field(default_factory=list)
    asset: NDArray[np.int32] | None = None
    assets: list[str] = field(default_factory=list)
    companies: CompanySource | None = None

    @property
    def n_leads(self) -> int:
        return len(self.starts) - 1

    @property
    def n_events(self) -> int:
        return len(self.known_at)

    def with_events(self, rows: NDArray[np.integer | np.bool_], starts: NDArray[np.int64]) -> Histories:
        """The same leads with some of the events, in this order; lead i owns starts[i]:starts[i + 1] of them."""
        return replace(self, starts=starts, **{name: _taken(getattr(self, name), rows) for name in EACH_EVENT})

    def names(self, of: Named) -> tuple[NDArray[np.int32] | None, list[str]]:
        """What each event names, as codes (-1 for nothing; None where that holds for all), and what they stand for."""
        match of:
            case "event_type":
                return self.event_type, self.types
            case "channel":
                return self.channel, self.channels
            case "campaign":
                return self.campaign, self.campaigns
            case "asset":
                return self.asset, self.assets

    def of(
        self, leads: NDArray[np.integer], events: Stretches | None = None, versions: Stretches | None = None
    ) -> Histories:
        """Histories of some leads (their places here, in any order, also repeated), as copies.

        events, versions: which rows of events and profile versions each of them has; all of them by default.
        """
        events = events or Stretches.of(self.starts, leads)
        return replace(
            self.with_events(events.rows, events.starts),
            lead_ids=self.lead_ids.take(pa.array(leads)),
            profiles=_versions(self.profiles, versions or Stretches.of(self.profiles.starts, leads)),
            absences=None if self.absences is None else _absences(self.absences, leads),
        )


def _versions(profiles: Profiles, chosen: Stretches) -> Profiles:
    rows = chosen.rows
    accounts = None if profiles.accounts is None else profiles.accounts.take(pa.array(rows))
    return Profiles(chosen.starts, profiles.valid_from[rows], profiles.columns.take(pa.array(rows)), accounts)


def _absences(absences: Absences, leads: NDArray[np.integer]) -> Absences:
    chosen = Stretches.of(absences.starts, leads)
    merged = None if absences.merged is None else absences.merged[chosen.rows]
    return Absences(chosen.starts, absences.from_at[chosen.rows], absences.until[chosen.rows], merged)


def _taken(column: Any, rows: NDArray[np.integer | np.bool_]) -> Any:
    """Some rows of a column, which may be None."""
    return None if column is None else column[rows]
