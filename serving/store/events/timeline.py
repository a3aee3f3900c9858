"""What a lead did and what was done to it, the newest first, page by page: a million events cost no more than ten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, select

from data.contract import US_PER_DAY
from data.log.bots import label_bots
from data.sources.mapping import BotRule
from serving.store.database.connection import Database
from serving.store.database.cursor import KeysetOrder
from serving.store.database.schema import events

MOST = 200
LOOK_BACK = 250
"""Older events that are read beside a page, because what came just before tells a machine's events from a human's."""
COUNTED = 1_000
SHOWN = ("event_type", "channel", "value", "occurred_at", "known_at", "source", "campaign", "asset")
ORDER = KeysetOrder(
    "known_at",
    [events.c.known_at, events.c.occurred_at, events.c.event_id, events.c.source],
    [int, int, str, str],
    descending=True,
)
"""In the order in which they became known, as the score sees them; the index of a lead's events walks along it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event. Times are µs UTC; known_at: from when on scores may know it. bot: whether a machine did it."""

    event_type: str
    channel: str | None
    value: float | None
    occurred_at: int
    known_at: int
    source: str
    bot: bool
    campaign: str | None = None
    asset: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether it became known a day after it happened, or later."""
        return self.known_at - self.occurred_at >= US_PER_DAY


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events, the newest first, and the cursor of the older ones; None when there are none."""

    events: list[Happening]
    next: str | None


class LeadTimeline:
    """Reads events of one lead."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        lead_id: str,
        bots: Sequence[BotRule],
        cursor: str | None = None,
        until: int | None = None,
        limit: int = 50,
    ) -> Stretch:
        """Events after a cursor, or those known at `until` (µs UTC) and before, else the newest; at most `limit`.

        bots: the rules by which a machine's events are known. A machine that has done more than LOOK_BACK things since
        what set it off is not known as one any more. Raises UsageError for a cursor that no timeline has given.
        """
        limit = max(1, min(limit, MOST))
        with self._database.read() as connection:
            rows = connection.execute(_query(lead_id, cursor, until).limit(limit + LOOK_BACK)).all()
        bot = _bots(rows, bots)[:limit]
        happenings = [_happening(row, machine) for row, machine in zip(rows, bot, strict=False)]
        keys = [getattr(rows[limit - 1], column.name) for column in ORDER.columns] if len(rows) > limit else None
        return Stretch(happenings, None if keys is None else ORDER.cursor(keys))

    def counts(self, lead_id: str, since: int, before: int) -> tuple[dict[str, int], bool]:
        """How many events of each type became known from `since` on and before `before` (µs UTC), most first.

        At most COUNTED are counted, the newest; the flag says whether that was all.
        """
        query = select(events.c.event_type).where(events.c.lead_id == lead_id)
        query = query.where(events.c.known_at >= since, events.c.known_at < before)
        with self._database.read() as connection:
            types = _newest(connection, query)
        counted = Counter(types[:COUNTED])
        return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))), len(types) <= COUNTED


def _happening(row: Row[Any], bot: bool) -> Happening:
    when = (row.occurred_at, row.known_at)
    return Happening(row.event_type, row.channel, row.value, *when, row.source, bot, row.campaign, row.asset)


def _newest(connection: Connection, query: Select[Any]) -> list[str]:
    return list(connection.scalars(query.order_by(events.c.known_at.desc()).limit(COUNTED + 1)))


def _query(lead_id: str, cursor: str | None, until: int | None) -> Select[Any]:
    query = select(*(events.c[name] for name in SHOWN), events.c.event_id).where(events.c.lead_id == lead_id)
    if until is not None and cursor is None:
        query = query.where(events.c.known_at <= until)
    return ORDER.sorted(query, cursor)


def _bots(rows: Sequence[Row[Any]], rules: Sequence[BotRule]) -> list[bool]:
    """Whether a machine did it, for each of a lead's events, the newest first."""
    types = sorted({row.event_type for row in rows})
    code = {name: place for place, name in enumerate(types)}
    oldest_first = rows[::-1]
    occurred = np.array([row.occurred_at for row in oldest_first], dtype=np.int64)
    kinds = np.array([code[row.event_type] for row in oldest_first], dtype=np.int32)
    label = label_bots(rules, np.array([0, len(rows)], dtype=np.int64), occurred, kinds, types)
    return [bool(is_bot) for is_bot in label[::-1] >= 0]
