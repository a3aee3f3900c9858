"""How a page of the worklist is found: which index leads to it, and how far one page looks.

Filters are combined at will, and no index has them all. So a page looks at no more than LOOKED leads, whatever is
asked for: by the rarest filter when it holds for few, else in the order of the list, page after page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, false, func, literal, select, true

from serving.store.database.cursor import KeysetOrder
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, standings
from training.thresholds.stages import CUSTOMER

Order = Literal["chance", "activity", "lead_id"]
Searched = Literal["begins", "company", "holds"]
LOOKED = 1_000
LABELS = ("country", "owner")
"""Attributes of the profile by which lists are filtered."""
NAMED, MARKED = ("stage", "channel", *LABELS), ("rising", "untouched", "pressed")
ORDERED_BY: Mapping[Order, str | None] = {"chance": "probability", "activity": "active_at", "lead_id": None}


@dataclass(frozen=True, slots=True)
class WantedLeads:
    """Which leads to list; what is None or False does not matter. All must hold.

    search: what is looked for; then the list is by id. searched: whether ids begin with it, companies do, or ids hold
    it anywhere. order: the likeliest first, the latest activity first, or by id.
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
    searched: Searched = "begins"
    order: Order = "chance"

    @property
    def ordered_by(self) -> str | None:
        """The column before the id, None for the id alone; customers have no probability, and stand by id."""
        by_id = self.search or (self.order == "chance" and self.stage == CUSTOMER)
        return None if by_id else ORDERED_BY[self.order]

    @property
    def filters(self) -> list[str]:
        """The columns that must have a certain value."""
        return [name for name in (*NAMED, *MARKED) if getattr(self, name) not in (None, False)]


@dataclass(frozen=True, slots=True)
class IndexWalk:
    """leader: the filter whose index is walked, None for the index of the order. end: the keys of the last lead that
    the page looks at, None when it looks at all that are left."""

    leader: str | None
    end: list[Any] | None


def find_way(connection: Connection, wanted: WantedLeads, cursor: str | None) -> IndexWalk:
    """The way to the page after a cursor. Raises UsageError for a cursor of a list in another order."""
    counts = {name: _count(connection, wanted, name) for name in wanted.filters}
    rarest = min(counts, key=lambda name: counts[name], default=None)
    if rarest is not None and counts[rarest] < LOOKED:
        return IndexWalk(rarest, None)
    leader = rarest if wanted.ordered_by == "probability" else None
    walked = _walked(wanted, cursor, leader).with_only_columns(*_order(wanted).columns).offset(LOOKED - 1).limit(1)
    end = connection.execute(walked).first()
    return IndexWalk(leader, None if end is None else list(end))


def page_query(wanted: WantedLeads, cursor: str | None, way: IndexWalk, columns: tuple[str, ...]) -> Select[Any]:
    """The leads of a page that do not object, in order."""
    query = _walked(wanted, cursor, way.leader).join(leads, leads.c.lead_id == standings.c.lead_id)
    rest = (_held(wanted, name) for name in wanted.filters if name != way.leader)
    query = query.with_only_columns(*(standings.c[column] for column in columns)).where(is_present(), *rest)
    return query if way.end is None else _order(wanted).up_to(query, way.end)


def cursor_after(wanted: WantedLeads, keys: list[Any]) -> str:
    """Where the list goes on after a lead with these keys."""
    return _order(wanted).cursor(keys)


def keys_of(wanted: WantedLeads, row: Any) -> list[Any]:
    """What a row of the list is ordered by."""
    return [getattr(row, column.name) for column in _order(wanted).columns]


def _order(wanted: WantedLeads) -> KeysetOrder:
    column, lead_id = wanted.ordered_by, standings.c.lead_id
    if column is None:
        return KeysetOrder("lead_id", [lead_id], [str])
    return KeysetOrder(column, [standings.c[column], lead_id], [float, str], descending=True)


def _walked(wanted: WantedLeads, cursor: str | None, leader: str | None) -> Select[Any]:
    """What one index gives after a cursor, in order."""
    column = wanted.ordered_by
    query = select(standings).where(standings.c.target == wanted.target)
    if leader is not None:
        query = query.where(_indexed(wanted, leader))
    if column is not None:
        query = query.where(standings.c[column].is_not(None))
    if wanted.search:
        query = query.where(_found(wanted.search, wanted.searched))
    return _order(wanted).sorted(query, cursor)


def _found(search: str, searched: Searched) -> ColumnElement[bool]:
    """Which leads a search means: a stretch of an index, or, for what an id holds, at most LOOKED after a walk through
    all ids, which is done only where nothing begins with it."""
    lead_id, end = standings.c.lead_id, search + "\U0010ffff"
    if searched == "begins":
        return (lead_id >= search) & (lead_id < end)
    some = select(leads.c.lead_id).limit(LOOKED)
    if searched == "company":
        of_company = some.where(leads.c.account_id >= search, leads.c.account_id < end)
        return lead_id.in_(of_company.order_by(leads.c.account_id, leads.c.lead_id).subquery().select())
    return lead_id.in_(some.where(leads.c.lead_id.contains(search, autoescape=True)).subquery().select())


def _indexed(wanted: WantedLeads, name: str) -> ColumnElement[bool]:
    """A filter as its index knows it."""
    value: Any = true() if name in MARKED else getattr(wanted, name)
    held: ColumnElement[bool] = standings.c[name] == value
    return held


def _held(wanted: WantedLeads, name: str) -> ColumnElement[bool]:
    """The same filter in a form that no index knows, so that the database keeps to the way that was chosen."""
    if name in MARKED:
        return func.coalesce(standings.c[name], false()) == true()
    held: ColumnElement[bool] = func.coalesce(standings.c[name], "") == getattr(wanted, name)
    return held


def _count(connection: Connection, wanted: WantedLeads, name: str) -> int:
    """For how many leads a filter holds, counted up to LOOKED."""
    query = select(literal(1)).where(standings.c.target == wanted.target, _indexed(wanted, name)).limit(LOOKED)
    return int(connection.scalar(select(func.count()).select_from(query.subquery())) or 0)
