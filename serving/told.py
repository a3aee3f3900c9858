"""A lead as a request tells it: checked events and a profile in, the arrays of the feature kernel out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.bots import label_bots
from data.contract import VALUE_SCALE
from data.histories import Histories, Profiles
from data.mapping import BotRule
from serving.problems import Refused
from serving.schemas import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NOTHING = pa.table({})
Row = tuple[int, int, str, str, float]
"""known_at, occurred_at, event_type, channel ("" for none), value (-inf for none): sorts in the log's order."""


@dataclass(frozen=True)
class Told:
    """Leads of one request: histories whose profile columns stand beside them, one mapping per profile version."""

    histories: Histories
    versions: Sequence[Mapping[str, float | str | None]]


def us(at: datetime) -> int:
    """µs UTC of an aware time.

    >>> us(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (at - EPOCH) // MICROSECOND


def rows_of(events: Sequence[Event]) -> list[Row]:
    """Events in the log's total order, each id once with its earliest known_at.

    Events that tie in a whole row are equal in all that features see, so source and id need not part them.
    Raises Refused when one id stands for two different events.
    """
    rows: dict[tuple[str, object], Row] = {}
    for place, each in enumerate(events):
        occurred = us(each.occurred_at)
        known = occurred if each.received_at is None else max(occurred, us(each.received_at))
        value = -np.inf if each.value is None else round(each.value * VALUE_SCALE) / VALUE_SCALE
        row = (known, occurred, each.event_type, each.channel or "", value)
        key = (each.source or "", row[1:] if each.event_id is None else each.event_id)
        other = rows.get(key)
        if other is None or (other[1:] == row[1:] and known < other[0]):
            rows[key] = row
        elif other[1:] != row[1:]:
            raise Refused("conflict", f"events[{place}]: its event_id is taken by an event with another content")
    return sorted(rows.values())


class Reader:
    """Turns rows into histories with one model's vocabulary and bot rules."""

    def __init__(self, types: Sequence[str], bots: Sequence[BotRule]) -> None:
        self.types = list(types)
        self.codes = {name: code for code, name in enumerate(types)}
        self.bots = bots

    def histories(self, leads: Sequence[list[Row]], valid_from: NDArray[np.int64]) -> Histories:
        """Histories of leads with one profile version each, valid from `valid_from` (int64[n_leads], µs UTC)."""
        starts = np.cumsum([0, *map(len, leads)])
        rows = [row for each in leads for row in each]
        known, occurred, types, channels, values = zip(*rows, strict=True) if rows else ((),) * 5
        type_names, channel_codes = list(self.types), {"": -1}
        codes = self.codes if self.codes.keys() >= set(types) else dict(self.codes)
        for name in types:
            if codes.setdefault(name, len(type_names)) == len(type_names):
                type_names.append(name)
        for name in channels:
            channel_codes.setdefault(name, len(channel_codes) - 1)
        occurred_at = np.array(occurred, dtype=np.int64)
        event_type = np.array([codes[name] for name in types], dtype=np.int32)
        value = np.array(values, dtype=np.float64)
        value[np.isneginf(value)] = np.nan
        return Histories(
            lead_ids=NOTHING,
            starts=starts,
            known_at=np.array(known, dtype=np.int64),
            occurred_at=occurred_at,
            event_type=event_type,
            channel=np.array([channel_codes[name] for name in channels], dtype=np.int32),
            value=value,
            bot=label_bots(self.bots, starts, occurred_at, event_type, type_names) >= 0,
            profiles=Profiles(np.arange(len(leads) + 1), valid_from, NOTHING),
            types=type_names,
            channels=list(channel_codes)[1:],
        )
