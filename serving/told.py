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
EARLIEST, LATEST = (each.replace(tzinfo=UTC) - EPOCH for each in (datetime.min, datetime.max))
NOTHING = pa.table({})
Row = tuple[int, int, str, str, float]
"""known_at, occurred_at, event_type, channel ("" for none), value (-inf for none): sorts in the log's order."""


@dataclass(frozen=True)
class Told:
    """Leads of one request: histories whose profile columns stand beside them, one mapping per profile version."""

    histories: Histories
    versions: Sequence[Mapping[str, float | str | None]]


def us(at: datetime) -> int:
    """µs UTC of an aware time. Raises Refused for one that is before the year 1 or after 9999 in UTC.

    >>> us(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    since = at - EPOCH
    if not EARLIEST <= since <= LATEST:
        raise Refused("invalid", "a time lies outside the years 1 to 9999 in UTC")
    return since // MICROSECOND


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
        codes = _codes(self.codes, types)
        channel_codes = _codes({"": -1}, channels)
        occurred_at = np.array(occurred, dtype=np.int64)
        event_type = np.array([codes[name] for name in types], dtype=np.int32)
        value = np.array(values, dtype=np.float64)
        value[value == -np.inf] = np.nan
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
        )


def _codes(known: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    """Codes of names: those that are known, and the next free ones for the others.

    >>> _codes({"": -1}, ["web", "", "web", "mail"])
    {'': -1, 'web': 0, 'mail': 1}
    """
    strangers = dict.fromkeys(name for name in names if name not in known)
    first = max(known.values(), default=-1) + 1
    return known | {name: first + i for i, name in enumerate(strangers)} if strangers else known
