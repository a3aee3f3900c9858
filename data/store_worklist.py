"""The list that people work through: where leads stand and what was known when they were scored, page by page.

What is listed is noted at each scoring, so that a list of a million leads is filtered and ordered by indices alone.
A lead that objects is never listed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    update,
)

from data.contract import UsageError
from data.store_database import Database, chunks
from data.store_schema import attributes, leads, scores, standings
from data.store_scores import WEEK_AGO

Order = Literal["chance", "activity", "lead_id"]
RISEN = 1.25
"""A lead rises when its probability is at least so many times that of a week ago."""
PRESSED = 5
"""A lead is pressed too hard when it has left so many contacts of the last 30 days unanswered, one after the other."""
MOST = 200
STRIDE = 1_000
"""Leads that are read at once when all of a list are wanted."""
CHOICES = 50
LABELS = ("country", "owner")
"""Attributes of the profile by which lists are filtered."""
ORDERED_BY: Mapping[Order, str | None] = {"chance": "probability", "activity": "active_at", "lead_id": None}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was known of a lead when it was scored.

    fit, engagement: log-odds that profile and behaviour add. reason: the feature that speaks most for it, None for
    none; reason_value: its value, as JSON. active_at: µs UTC of the latest thing that it did itself. contacts: by us,
    within 30 days; ignored: those among them that came after its last answer. channel: through which it came.
    """

    lead_id: str
    fit: float
    engagement: float
    reason: str | None
    reason_value: str | None
    active_at: int | None
    contacts: int
    ignored: int
    channel: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads to list; what is None or False does not matter. All must hold.

    search: how the id begins; then the list is by id. order: the likeliest first, the latest activity first, or by id.
    """

    target: str
    stage: str | None = None
    channel: str | None = None
    country: str | None = None
    owner: str | None = None
    rising: bool = False
    untouched: bool = False
    pressed: bool = False
    search: str | None = None
    order: Order = "chance"

    @property
    def ordered_by(self) -> str | None:
        """The column before the id, None for the id alone."""
        return None if self.search else ORDERED_BY[self.order]


@dataclass(frozen=True, slots=True)
class Entry:
    """A lead of the list, as in `Outlook` and `store_scores.Standing`. before: its probability a week earlier."""

    lead_id: str
    stage: str
    override: str | None
    probability: float | None
    low: float | None
    high: float | None
    as_of: int | None
    model_version: str | None
    before: float | None
    fit: float | None
    engagement: float | None
    reason: str | None
    reason_value: str | None
    active_at: int | None
    contacts: int | None
    ignored: int | None
    channel: str | None
    country: str | None
    owner: str | None
    rising: bool | None
    pressed: bool | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Leads, and the cursor of the next page; None when this is the last."""

    entries: list[Entry]
    next: str | None


class Worklist:
    """Notes and lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, target: str, as_of: int, outlooks: Sequence[Outlook]) -> None:
        """Notes what was known of leads that have just been scored as of a moment (µs UTC), in one transaction."""
        if not outlooks:
            return
        names = [each.lead_id for each in outlooks]
        with self._database.write() as connection:
            before, labels = _before(connection, target, as_of, names), _labels(connection, names)
            now = _probabilities(connection, target, names)
            rows = [_row(each, before.get(each.lead_id), now.get(each.lead_id), labels) for each in outlooks]
            key = and_(standings.c.target == target, standings.c.lead_id == bindparam("lead"))
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != "lead"}
            new = [{k if k == "lead" else f"new_{k}": v for k, v in row.items()} for row in rows]
            connection.execute(update(standings).where(key).values(values), new)

    def page(self, wanted: Wanted, cursor: str | None = None, limit: int = 50) -> Sheet:
        """The leads after a cursor (None: from the beginning), at most `limit` (up to 200).

        Raises UsageError for a cursor that was not made by a list in the same order.
        """
        return self._page(wanted, cursor, max(1, min(limit, MOST)))

    def walk(self, wanted: Wanted, stride: int = STRIDE) -> Iterator[list[Entry]]:
        """All leads of a list in its order, some at a time, so that memory does not grow with the list.

        Each step is a read of its own, so that a slow reader holds nothing up; a lead that is scored meanwhile may
        change its place. By id every lead has one place.
        """
        cursor: str | None = None
        while True:
            sheet = self._page(wanted, cursor, stride)
            yield sheet.entries
            cursor = sheet.next
            if cursor is None:
                return

    def has_more_than(self, wanted: Wanted, most: int) -> bool:
        """Whether a list has more leads than so many."""
        found = _query(wanted, None).order_by(None).with_only_columns(literal(1)).limit(most + 1).subquery()
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(found)) or 0) > most

    def entry(self, target: str, lead_id: str) -> Entry | None:
        """One lead of the list; None for a lead that was never scored for the target, is unknown or objects."""
        query = select(*(standings.c[each] for each in Entry.__slots__)).join(
            leads, leads.c.lead_id == standings.c.lead_id
        )
        query = query.where(standings.c.target == target, standings.c.lead_id == lead_id, ~leads.c.objection)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Entry(*row)

    def choices(self, target: str) -> dict[str, list[str]]:
        """The values by which a list may be filtered, sorted, at most fifty of each kind."""
        with self._database.read() as connection:
            return {name: _distinct(connection, target, name) for name in ("stage", "channel", *LABELS)}

    def _page(self, wanted: Wanted, cursor: str | None, limit: int) -> Sheet:
        with self._database.read() as connection:
            rows = connection.execute(_query(wanted, cursor).limit(limit + 1)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return Sheet([Entry(*row) for row in rows[:limit]], None if last is None else _cursor(wanted, last))


def _before(connection: Connection, target: str, as_of: int, names: Sequence[str]) -> dict[str, float]:
    """Probabilities of a week ago."""
    newest, oldest = (as_of - each for each in WEEK_AGO)
    found: dict[str, float] = {}
    for some in chunks(names):
        query = select(scores.c.lead_id, scores.c.probability).order_by(scores.c.as_of, scores.c.id)
        query = query.where(scores.c.lead_id.in_(some), scores.c.target == target)
        found |= dict(connection.execute(query.where(scores.c.as_of.between(oldest, newest))).all())
    return found


def _labels(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], str]:
    """Attributes of the profile that holds now, by lead and name."""
    found: dict[tuple[str, str], str] = {}
    for some in chunks(names):
        query = select(attributes.c.lead_id, attributes.c.name, attributes.c.text).join(
            leads, and_(leads.c.lead_id == attributes.c.lead_id, leads.c.profile_from == attributes.c.valid_from)
        )
        query = query.where(attributes.c.lead_id.in_(some), attributes.c.name.in_(LABELS))
        found |= {(lead, name): value for lead, name, value in connection.execute(query) if value is not None}
    return found


def _probabilities(connection: Connection, target: str, names: Sequence[str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for some in chunks(names):
        query = select(standings.c.lead_id, standings.c.probability)
        query = query.where(standings.c.target == target, standings.c.lead_id.in_(some))
        found |= dict(connection.execute(query).all())
    return found


def _row(
    each: Outlook, before: float | None, now: float | None, labels: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """What a standing shows; a mark that does not hold is NULL, and so not in its index."""
    values = {**asdict(each), **{name: labels.get((each.lead_id, name)) for name in LABELS}, "before": before}
    values["lead"] = values.pop("lead_id")
    values["rising"] = (before is not None and now is not None and now >= RISEN * before) or None
    values["untouched"] = each.contacts == 0 or None
    values["pressed"] = each.ignored >= PRESSED or None
    return values


def _query(wanted: Wanted, cursor: str | None) -> Select[Any]:
    """The leads after a cursor, in order."""
    lead_id, column = standings.c.lead_id, wanted.ordered_by
    keys: list[ColumnElement[Any]] = [lead_id] if column is None else [standings.c[column], lead_id]
    query = select(*(standings.c[each] for each in Entry.__slots__)).join(leads, leads.c.lead_id == lead_id)
    query = query.where(standings.c.target == wanted.target, ~leads.c.objection, *_conditions(wanted))
    if column is not None:
        query = query.where(standings.c[column].is_not(None))
    if cursor is not None:
        place, after = tuple_(*keys), tuple_(*_read(cursor, column))
        query = query.where(place > after if column is None else place < after)
    return query.order_by(*(each.asc() if column is None else each.desc() for each in keys))


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    given = {name: getattr(wanted, name) for name in ("stage", "channel", *LABELS)}
    found: list[ColumnElement[bool]] = [
        standings.c[name] == value for name, value in given.items() if value is not None
    ]
    found += [standings.c[name] == true() for name in ("rising", "untouched", "pressed") if getattr(wanted, name)]
    if wanted.search:
        found.append(standings.c.lead_id >= wanted.search)
        found.append(standings.c.lead_id < wanted.search + "\U0010ffff")
    return found


def _distinct(connection: Connection, target: str, column: str) -> list[str]:
    """The values of a column, each found by one step in its index."""
    least = f"SELECT min({column}) FROM standings WHERE target = :target AND {column}"
    query = text(
        f"WITH RECURSIVE found(value) AS ({least} IS NOT NULL UNION ALL "
        f"SELECT ({least} > found.value) FROM found WHERE found.value IS NOT NULL) "
        f"SELECT value FROM found WHERE value IS NOT NULL LIMIT {CHOICES}"
    )
    return list(connection.scalars(query, {"target": target}))


def _cursor(wanted: Wanted, row: Any) -> str:
    column = wanted.ordered_by
    keys = [row.lead_id] if column is None else [getattr(row, column), row.lead_id]
    return base64.urlsafe_b64encode(json.dumps([column, *keys]).encode()).decode()


def _read(cursor: str, column: str | None) -> list[Any]:
    keys: list[Any] = []
    try:
        made_in, *keys = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii", "replace")))
        kinds = [str] if column is None else [int | float, str]
        fits = made_in == column and len(keys) == len(kinds) and all(map(isinstance, keys, kinds))
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise UsageError("the cursor is none that a list in this order has given; begin without one")
    return keys
