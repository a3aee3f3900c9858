"""Lists leads of the store: filters, and pages by key, so that the millionth page costs what the first does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, FromClause, Select, and_, select

from serving.store.database.connection import Database
from serving.store.database.cursor import KeysetOrder
from serving.store.database.schema import attributes, leads, standings

Order = Literal["lead_id", "probability", "changed_at", "change"]
ORDERS: tuple[Order, ...] = get_args(Order)
MOST = 1000


@dataclass(frozen=True, slots=True)
class Filters:
    """Which leads to list; what is None does not matter. All must hold.

    target: whose stage and score are meant. score_from, score_to: probability, both ends included. changed_since:
    µs UTC. attributes: profile column -> the value that the current profile must have, text or number.
    order: by id, by probability (the highest first), by the time of change (the newest first), or change by change
    (the oldest first), of which a reader who goes on after the last one misses none.
    """

    target: str = "conversion"
    stage: str | None = None
    score_from: float | None = None
    score_to: float | None = None
    changed_since: int | None = None
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    order: Order = "lead_id"


@dataclass(frozen=True, slots=True)
class Listed:
    """A lead in a list. Times are µs UTC; stages and score are None while it has none, or objects.

    stage: the one that holds; model_stage: the model's; override: what someone has decided, None for nothing.
    chain: probabilities of the steps of a chain, as JSON; None where there is none.
    """

    lead_id: str
    account_id: str | None
    created_at: int
    changed_at: int
    change: int
    objection: bool
    stage: str | None
    model_stage: str | None
    override: str | None
    probability: float | None
    low: float | None
    high: float | None
    as_of: int | None
    model_version: str | None
    chain: str | None


@dataclass(frozen=True, slots=True)
class ListingPage:
    """Leads, and the cursor of the next page; None when this is the last, but in the order of changes, which go on."""

    leads: list[Listed]
    next: str | None


class Listing:
    """Lists leads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, filters: Filters, cursor: str | None = None, limit: int = 100) -> ListingPage:
        """The leads after a cursor (None: from the beginning), at most `limit` (up to 1000).

        Raises UsageError for a cursor that was not made by a list in the same order.
        """
        limit = max(1, min(limit, MOST))
        query, order = _query(filters, cursor)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        listed = [Listed(*row) for row in rows[:limit]]
        goes_on = len(rows) > limit or filters.order == "change"
        if not goes_on or not listed:
            return ListingPage(listed, (cursor or order.cursor([-1, ""])) if goes_on else None)
        return ListingPage(listed, order.cursor([getattr(listed[-1], column.name) for column in order.columns]))


def _query(filters: Filters, cursor: str | None) -> tuple[Select[Any], KeysetOrder]:
    """The leads after a cursor, in order."""
    joined, lead_id = _joined(filters)
    query = select(*(_column(name) for name in Listed.__slots__)).select_from(joined).where(*_conditions(filters))
    order = _order(filters.order, lead_id)
    return order.sorted(query, cursor), order


def _joined(filters: Filters) -> tuple[FromClause, ColumnElement[str]]:
    """The tables that a list reads, and the lead_id to order by: of the table whose index the filter walks.

    They are all equal, but only that one comes out of the index in order, without sorting all that fit.
    """
    by_score = filters.stage is not None or filters.score_from is not None or filters.score_to is not None
    # Of whom objects nothing is shown that a score has said, nor found by it.
    stands = and_(standings.c.lead_id == leads.c.lead_id, standings.c.target == filters.target, ~leads.c.objection)
    joined: FromClause = leads.join(standings, stands, isouter=not (by_score or filters.order == "probability"))
    lead_id: ColumnElement[str] = standings.c.lead_id if by_score else leads.c.lead_id
    for place, (name, value) in enumerate(sorted(filters.attributes.items())):
        attribute = attributes.alias(f"a{place}")
        joined = joined.join(attribute, _has(attribute, name, value))
        lead_id = attribute.c.lead_id if place == 0 else lead_id
    return joined, lead_id


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [leads.c.away_since.is_(None)]
    if filters.stage is not None:
        wanted.append(standings.c.stage == filters.stage)
    if filters.score_from is not None:
        wanted.append(standings.c.probability >= filters.score_from)
    if filters.score_to is not None:
        wanted.append(standings.c.probability <= filters.score_to)
    if filters.order == "probability":
        wanted.append(standings.c.probability.is_not(None))
    if filters.changed_since is not None:
        wanted.append(leads.c.changed_at >= filters.changed_since)
    return wanted


def _has(attribute: Any, name: str, value: str | float) -> ColumnElement[bool]:
    """Whether the profile that holds now has this value in a column."""
    held = attribute.c.text == value if isinstance(value, str) else attribute.c.number == float(value)
    current = and_(attribute.c.lead_id == leads.c.lead_id, attribute.c.valid_from == leads.c.profile_from)
    return and_(attribute.c.name == name.lower(), held, current)


def _order(order: Order, lead_id: ColumnElement[str]) -> KeysetOrder:
    """By what a list is ordered; the id last, so that no two rows are equal."""
    if order == "lead_id":
        return KeysetOrder("lead_id", [lead_id], [str])
    if order == "probability":
        return KeysetOrder("probability", [standings.c.probability, standings.c.lead_id], [float, str], descending=True)
    if order == "change":
        return KeysetOrder("change", [leads.c.change, leads.c.lead_id], [int, str])
    return KeysetOrder("changed_at", [leads.c.changed_at, leads.c.lead_id], [int, str], descending=True)


def _column(name: str) -> Any:
    return leads.c[name] if name in leads.c else standings.c[name]
