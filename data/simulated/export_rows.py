"""What exports tell of events, in which of them, and from when on whoever reads them knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.funnel import CODE, Ints
from data.simulated.options import FunnelOptions
from data.simulated.rows import SOURCE_OF_TYPE, EventRows, joined

LAG_DAYS, DIES_AFTER = 21, 0.6
"""Days that the CRM lacks at the end, and the share of the observation after which social media are silent for good."""
DEALS = tuple(CODE[name] for name in ("deal_won", "deal_lost", "deal_reopened", "deal_cancelled"))
"""Types of which the CRM may know the day alone."""


@dataclass(frozen=True)
class Calendar:
    """When exports are made: ends, int64, µs after START, each has what was known before. crm: how many the CRM has.

    silent_from: µs after START, from when on social media tell nothing any more.
    """

    ends: Ints
    crm: int
    silent_from: int

    @staticmethod
    def of(options: FunnelOptions) -> Calendar:
        """Exports every `export_days`, and one at the end."""
        days = np.append(np.arange(options.export_days, options.days, options.export_days), options.days)
        crm = int(np.count_nonzero(days <= options.days - LAG_DAYS * options.lagging))
        silent = options.days * DIES_AFTER if options.lagging else options.days
        return Calendar(days * US_PER_DAY, crm, int(silent * US_PER_DAY))

    def first_with(self, known_at: Ints) -> Ints:
        """The number of the first export that has what is known from these times (µs after START) on."""
        return np.searchsorted(self.ends, known_at, side="right").astype(np.int64)


@dataclass(frozen=True)
class ExportRows:
    """Rows of exports. known_at: int64, µs after START, from when on a reader of the exports knows what the row says.

    export: int64, its number. retracted: bool, whether the row takes its event back. again: bool, a copy.
    """

    rows: EventRows
    known_at: Ints
    export: Ints
    retracted: NDArray[np.bool_]
    again: NDArray[np.bool_]

    @staticmethod
    def first(rows: EventRows, calendar: Calendar, again: bool = False) -> ExportRows:
        """Events in the first export after they were received."""
        no = np.zeros(len(rows), np.bool_)
        return ExportRows(rows, rows.received_at, calendar.first_with(rows.received_at), no, no | again)

    def of(self, chosen: NDArray[np.bool_]) -> ExportRows:
        """Rows where the mask is true."""
        columns = [getattr(self, field.name)[chosen] for field in fields(self)[1:]]
        return ExportRows(self.rows.take(np.flatnonzero(chosen)), *columns)

    def exported(self, calendar: Calendar) -> ExportRows:
        """Without what sources that lag or die never tell."""
        source = SOURCE_OF_TYPE[self.rows.code]
        lost = (source == "crm") & (self.export >= calendar.crm)
        return self.of(~lost & ~((source == "social") & (self.known_at >= calendar.silent_from)))


def all_rows(parts: Sequence[ExportRows]) -> ExportRows:
    """All rows, by export and then by when they became known; a copy stands after its first."""
    names = [field.name for field in fields(ExportRows)][1:]
    versions = ExportRows(
        joined([part.rows for part in parts]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names),
    )
    order = np.lexsort((versions.known_at, versions.export))
    return ExportRows(versions.rows.take(order), *(getattr(versions, name)[order] for name in names))


def by_day(rows: EventRows) -> EventRows:
    """Deals of which the day is known alone: they count from its end on, its last microsecond."""
    deal = np.isin(rows.code, DEALS)
    end = (rows.occurred_at // US_PER_DAY + 1) * US_PER_DAY - 1
    occurred_at = np.where(deal, end, rows.occurred_at)
    return rows.having(occurred_at=occurred_at, received_at=np.maximum(rows.received_at, occurred_at))
