"""Mistakes in what the CRM exports, and the later exports that put them right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.cohort import SimulatedCohort
from data.simulated.export_rows import Calendar, ExportRows, by_day
from data.simulated.funnel import CODE, Floats, Ints
from data.simulated.options import FunnelOptions
from data.simulated.rows import CHANNEL_OF_TYPE, CHANNELS, EventRows

CORRECTED = tuple(CODE[name] for name in ("offer_sent", "deal_won", "sales_call", "inbound_call"))
CORRECTED_SHARE, SLIPS = 0.08, (0.1, 1.19, 10.0)
"""Of events of these types, and by what a wrong amount is off."""
NEVER_SHARE, NEVER = 0.03, tuple(CODE[name] for name in ("deal_won", "deal_lost", "sales_call"))
"""Entries of what never happened, as a share of the leads, and their types."""
LATER_EXPORTS, DATED = 3, 0.5
"""A mistake is put right one to so many exports later; the share that says itself when it was."""
OTHER_CHANNEL = {CHANNELS.index("phone"): CHANNELS.index("outbound")}


def with_mistakes(first: ExportRows, copied: Ints, calendar: Calendar, rng: np.random.Generator) -> list[ExportRows]:
    """Events as they are told at first, some of them wrong, and their corrections. copied: numbers that stay as is."""
    eligible = np.isin(first.rows.code, CORRECTED) & ~np.isin(first.rows.number, copied)
    wrong = eligible & (first.export + 1 < calendar.crm) & (rng.random(len(first.rows)) < CORRECTED_SHARE)
    right = _put_right(first.of(wrong), calendar, rng)
    rows = first.rows
    value = np.where(wrong, np.round(rows.value * rng.choice(SLIPS, size=len(rows)), 2), rows.value)
    channel = np.where(wrong & np.isnan(rows.value), _other_channel(rows.channel), rows.channel)
    mistaken = ExportRows(rows.having(value=value, channel=channel), *_but_rows(first))
    return [mistaken, right]


def what_never_happened(
    options: FunnelOptions, cohort: SimulatedCohort, next_number: int, calendar: Calendar, rng: np.random.Generator
) -> list[ExportRows]:
    """Entries that were a mistake, and their retractions."""
    last = int(calendar.ends[max(calendar.crm - 2, 0)])
    lead = np.flatnonzero((rng.random(len(cohort)) < NEVER_SHARE) & (cohort.created_at < last - 2 * US_PER_DAY))
    at = rng.integers(cohort.created_at[lead] + US_PER_DAY, last)
    code = rng.choice(NEVER, size=len(lead))
    value: Floats = np.where(code == CODE["deal_won"], 1_000.0, np.nan)
    number = next_number + np.arange(len(lead))
    rows = EventRows(number, lead, code, at, at, CHANNEL_OF_TYPE[code], value)
    entries = ExportRows.first(by_day(rows) if options.dates else rows, calendar)
    entries = entries.of(entries.export + 1 < calendar.crm)
    back = _put_right(entries, calendar, rng)
    return [entries, ExportRows(back.rows, back.known_at, back.export, ~back.retracted, back.again)]


def _put_right(wrong: ExportRows, calendar: Calendar, rng: np.random.Generator) -> ExportRows:
    """The same events some exports later: known from a date of their own on, else from the export on."""
    export = np.minimum(wrong.export + rng.integers(1, LATER_EXPORTS + 1, size=len(wrong.rows)), calendar.crm - 1)
    ends, before = calendar.ends[export], calendar.ends[export - 1]
    dated = rng.random(len(export)) < DATED
    received_at = np.where(dated, rng.integers(np.maximum(before, wrong.known_at + 1), ends), wrong.rows.received_at)
    known_at = np.where(dated, received_at, ends)
    return ExportRows(wrong.rows.having(received_at=received_at), known_at, export, wrong.retracted, wrong.again)


def _but_rows(versions: ExportRows) -> tuple[Ints, Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    return versions.known_at, versions.export, versions.retracted, versions.again


def _other_channel(channel: Ints) -> Ints:
    phone, outbound = next(iter(OTHER_CHANNEL.items()))
    return np.where(channel == phone, outbound, phone)
