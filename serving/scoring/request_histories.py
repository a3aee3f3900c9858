"""Leads as a request tells them: checked events and profiles in, the arrays of the feature kernel out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.companies import no_companies
from data.histories import Histories, Profiles
from data.log.bots import label_bots
from data.numbers import rounded_value
from data.sources.mapping import BotRule
from serving.messages.problems import Refused
from serving.messages.schemas import Event
from serving.messages.times import all_us

NOTHING = pa.table({})
MISSING = -np.inf
Row = tuple[int, int, int, str, str, float, *tuple[str, ...]]
"""lead, known_at, occurred_at, event_type, channel ("" for none), value (or MISSING): sorts in the log's order. Where
any event names a campaign or an asset, then source, event_id and these ("" for none)."""


@dataclass(frozen=True)
class RequestHistories:
    """Leads of one request: histories whose profile columns stand beside them, one mapping per profile version."""

    histories: Histories
    versions: Sequence[Mapping[str, float | str | None]]


def rows_of(leads: Sequence[Sequence[Event]]) -> list[Row]:
    """Events of leads in the log's total order, each id once with its earliest known_at.

    Events that tie in a whole row are equal in all that features see, so source and id need not part them where no
    event names a campaign or an asset.
    Raises Refused when one id of a lead stands for two different events.
    """
    events = list(chain.from_iterable(leads))
    lead = [i for i, history in enumerate(leads) for _ in history]
    occurred = all_us([event.occurred_at for event in events], lambda i: f"{_place(leads, i)}.occurred_at")
    types = [event.event_type for event in events]
    channels = [event.channel or "" for event in events]
    values = [MISSING if event.value is None else rounded_value(event.value) for event in events]
    rows: list[Row] = list(
        zip(lead, _known(leads, events, occurred), occurred, types, channels, values, *_context(events), strict=True)
    )
    keys = [
        (i, event.source or "", row[2:] if event.event_id is None else event.event_id)
        for i, event, row in zip(lead, events, rows, strict=True)
    ]
    return sorted(rows if len(set(keys)) == len(keys) else _once(leads, keys, rows))


def _context(events: Sequence[Event]) -> list[list[str]]:
    """Source, id, campaign and asset of each event; nothing where none names one of the last two."""
    if not any(event.campaign or event.asset for event in events):
        return []
    context = [(event.source, event.event_id, event.campaign, event.asset) for event in events]
    return [[name or "" for name in column] for column in zip(*context, strict=True)]


def _known(leads: Sequence[Sequence[Event]], events: Sequence[Event], occurred: list[int]) -> list[int]:
    """When each event became known: as it occurred, or later when it was received later."""
    late = [i for i, event in enumerate(events) if event.received_at is not None]
    if not late:
        return occurred
    texts = [events[i].received_at or "" for i in late]
    known = occurred.copy()
    for i, received in zip(late, all_us(texts, lambda k: f"{_place(leads, late[k])}.received_at"), strict=True):
        known[i] = max(known[i], received)
    return known


def _once(leads: Sequence[Sequence[Event]], keys: Sequence[object], rows: Sequence[Row]) -> list[Row]:
    """Rows without repeats. Raises Refused for a key with two contents."""
    unique: dict[object, Row] = {}
    for i, (key, row) in enumerate(zip(keys, rows, strict=True)):
        other = unique.setdefault(key, row)
        if other[2:] != row[2:]:
            where = _place(leads, i).removeprefix("$.")
            raise Refused("conflict", f"{where}: its event_id is taken by an event with another content")
        if row < other:
            unique[key] = row
    return list(unique.values())


def _place(leads: Sequence[Sequence[Event]], i: int) -> str:
    """Where the i-th event of all stands in the body."""
    lead = 0
    while i >= len(leads[lead]):
        i -= len(leads[lead])
        lead += 1
    return f"{lead_place(lead, len(leads))}.events[{i}]"


def lead_place(lead: int, n_leads: int) -> str:
    """Where a lead of a request stands in its body.

    >>> lead_place(0, 1), lead_place(1, 2)
    ('$', '$.leads[1]')
    """
    return "$" if n_leads == 1 else f"$.leads[{lead}]"


class Reader:
    """Turns rows into histories with one model's vocabulary and bot rules."""

    def __init__(self, types: Sequence[str], bots: Sequence[BotRule]) -> None:
        self.types = list(types)
        self.codes = {name: code for code, name in enumerate(types)}
        self.bots = bots

    def histories(self, leads: Sequence[Sequence[Event]], valid_from: NDArray[np.int64]) -> Histories:
        """Histories of leads with one profile version each, valid from `valid_from` (int64[n_leads], µs UTC).

        Raises Refused as `rows_of` does.
        """
        rows = rows_of(leads)
        lead, known, occurred, types, channels, values, *context = zip(*rows, strict=True) if rows else ((),) * 6
        (campaign, campaigns), (asset, assets) = map(_named, context[2:] or ((), ()))
        starts = np.searchsorted(np.array(lead, np.int64), np.arange(len(leads) + 1))
        codes = _codes(self.codes, types)
        channel_codes = _codes({"": -1}, channels)
        occurred_at = np.array(occurred, dtype=np.int64)
        event_type = np.array([codes[name] for name in types], dtype=np.int32)
        value = np.array(values, dtype=np.float64)
        value[value == MISSING] = np.nan
        return Histories(
            lead_ids=NOTHING,
            starts=starts,
            known_at=np.array(known, dtype=np.int64),
            occurred_at=occurred_at,
            event_type=event_type,
            channel=np.array([channel_codes[name] for name in channels], dtype=np.int32),
            value=value,
            bot=label_bots(self.bots, starts, occurred_at, event_type, list(codes)) >= 0,
            profiles=Profiles(np.arange(len(leads) + 1), valid_from, NOTHING),
            types=list(codes),
            channels=list(channel_codes)[1:],
            campaign=campaign,
            campaigns=campaigns,
            asset=asset,
            assets=assets,
            companies=no_companies(),
        )


def _named(names: Sequence[str]) -> tuple[NDArray[np.int32] | None, list[str]]:
    """Codes of what events name, -1 for "", and the names; None where nothing is named."""
    if not any(names):
        return None, []
    codes = _codes({"": -1}, names)
    return np.array([codes[name] for name in names], np.int32), list(codes)[1:]


def _codes(known: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    """Codes of names: those that are known, and the next free ones for the others.

    >>> _codes({"": -1}, ["web", "", "web", "mail"])
    {'': -1, 'mail': 0, 'web': 1}
    """
    strangers = sorted(set(names) - known.keys())
    first = max(known.values(), default=-1) + 1
    return known | {name: first + i for i, name in enumerate(strangers)} if strangers else known
